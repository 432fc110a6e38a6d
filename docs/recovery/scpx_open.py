#!/usr/bin/env python3
"""Open sealed objects (SCPX v2) without the proxy.

An independent reader, written from format/SPEC.md; section numbers below are
that text's. It needs Python 3.9 and the package "cryptography" (Debian:
python3-cryptography) for HMAC, ChaCha20-Poly1305 and AES-GCM; HChaCha20 is below.

    scpx_open.py --state STATE --key NAME OBJECT -o OUT     bucket id from the state object
    scpx_open.py --bucket-id HEX --key NAME OBJECT -o OUT   bucket id known
    scpx_open.py --state STATE                              show the bucket state

a folder marker, an empty object whose user metadata scpx-block is VALUE

    scpx_open.py --state STATE --key NAME --folder VALUE    show its metadata

and where the bucket's names are sealed (name_encryption in its state)

    scpx_open.py --state STATE --stored-name SEALED OBJECT -o OUT
    scpx_open.py --state STATE --names LIST                 open the stored names in LIST, one a line
    scpx_open.py --state STATE --key NAME                   print the stored name of NAME

STATE is the stored object _objcryptproxy___.json, OBJECT the stored object, NAME
its object name in the bucket as the client wrote it, SEALED the name it is stored
under; LIST is a file, "-" = standard input. The master key, 64 hex digits, is asked for on
the terminal, or read from --master-file FILE ("-" = standard input; 64 hex
digits or 32 raw bytes). It is never an argument, since arguments are public.

OUT appears only when the whole object has been verified. Exit status: 0 opened,
1 refused or not readable, 2 wrong usage.
"""
import argparse
import base64
import datetime
import getpass
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import tempfile

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
except ImportError:
    sys.exit('scpx_open: the Python package "cryptography" is missing (Debian: apt install python3-cryptography)')

S = 65536                       # section 2
TAG = 16
STRIDE = S + TAG
BLOCKS = (512, 1024, 2048, 4096)
MAX_PLAIN = 5 << 40
UNIT = 5 << 20
MAX_FILLERS = 9999
MAX_NOTE = 96  # bytes that the ETag of a part carries for a proxy
MAX_PARTS = 10000               # section 12
MAX_PART = (5 << 30) - (8 << 20)
STATE_KEY = "_objcryptproxy___.json"
LABEL = b"s3-crypt-proxy/v2/"


class Refused(Exception):
    """Base of the errors of section 16."""


class ErrNotSealed(Refused):
    pass


class ErrForeign(Refused):
    pass


class ErrVersion(Refused):
    pass


class ErrUnsupported(Refused):
    pass


class ErrKeyUnknown(Refused):
    pass


class ErrCommit(Refused):
    pass


class ErrIntegrity(Refused):
    pass


class ErrName(Refused):
    pass


class ErrNameTooLong(Refused):
    pass


# ---- primitives (section 1) ------------------------------------------------

def hkdf_extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def hkdf_expand(prk, info, length):
    out, t, i = b"", b"", 0
    while len(out) < length:
        i += 1
        t = hmac.new(prk, t + info + bytes([i]), hashlib.sha256).digest()
        out += t
    return out[:length]


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    x = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))

    def quarter(a, b, c, d):
        for left, right, target, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[left] = (x[left] + x[right]) & 0xffffffff
            v = x[target] ^ x[left]
            x[target] = ((v << shift) | (v >> (32 - shift))) & 0xffffffff

    for _ in range(10):
        quarter(0, 4, 8, 12)
        quarter(1, 5, 9, 13)
        quarter(2, 6, 10, 14)
        quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return struct.pack("<8I", *(x[0:4] + x[12:16]))


class XChaCha20Poly1305:
    nonce_size = 24

    def __init__(self, key):
        self.key, self.inner = key, {}  # an object has two values of nonce[:16]: for the last segment and for all others

    def _at(self, nonce):
        if nonce[:16] not in self.inner:
            self.inner[nonce[:16]] = ChaCha20Poly1305(hchacha20(self.key, nonce[:16]))
        return self.inner[nonce[:16]], bytes(4) + nonce[16:]

    def encrypt(self, nonce, data, aad):
        cipher, inner = self._at(nonce)
        return cipher.encrypt(inner, data, aad)

    def decrypt(self, nonce, data, aad):
        cipher, inner = self._at(nonce)
        return cipher.decrypt(inner, data, aad)


class AES256GCM:
    nonce_size = 12

    def __init__(self, key):
        cipher = AESGCM(key)
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt


SUITES = {1: XChaCha20Poly1305, 2: AES256GCM}


def unseal(cipher, nonce, data, aad, what):
    if len(data) < TAG:
        raise ErrIntegrity(what)
    try:
        return cipher.decrypt(nonce, data, aad)
    except InvalidTag:
        raise ErrIntegrity(what + " is not what was sealed") from None


# ---- keys (section 5) ------------------------------------------------------

class Master:
    def __init__(self, master):
        if len(master) != 32 or master == bytes(32):
            raise ValueError("a master key is 32 bytes, not all zero")
        prk = hkdf_extract(b"s3-crypt-proxy/v2", master)
        self.object = hkdf_expand(prk, LABEL + b"object-encryption", 32)
        self.meta = hkdf_expand(prk, LABEL + b"metadata-encryption", 32)
        self.token = hkdf_expand(prk, LABEL + b"upload-token", 32)
        self.etag = hkdf_expand(prk, LABEL + b"part-etag", 32)
        self.kvt = hkdf_expand(prk, LABEL + b"key-verification", 32)
        self.kid = hkdf_expand(prk, LABEL + b"key-id", 8)


def keyring(masters):
    ring = {}
    for m in map(Master, masters):
        if m.kid in ring:
            raise ValueError("two masters have the id " + m.kid.hex())
        ring[m.kid] = m
    return ring


def context(bucket_id, key):
    key = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
    if len(bucket_id) != 16 or not 1 <= len(key) <= 1024:
        raise ValueError("a bucket id has 16 bytes, a key 1 to 1024")
    return bucket_id + struct.pack(">H", len(key)) + key


def object_context(bucket_id, key):
    if bucket_id == bytes(16) or key == STATE_KEY:
        raise ValueError("the all-zero bucket id and " + STATE_KEY + " belong to the bucket state")
    return context(bucket_id, key)


STATE_CONTEXT = context(bytes(16), STATE_KEY)


# ---- size law (section 9) --------------------------------------------------

def segments(plain):
    return max(1, (plain + S - 1) // S)


def body_size(plain):
    return plain + TAG * segments(plain)


def filler(plain):
    return 512 * min(plain // UNIT, MAX_FILLERS)


def sealed_size(block, plain):
    return block + body_size(plain) + filler(plain)


def plain_size(block, stored):
    """The inverse of sealed_size, or None for a foreign size."""
    t = stored - block
    if t == TAG:
        return 0
    if t < TAG:
        return None
    k = min(t // 5244672, MAX_FILLERS)
    q, w = divmod(t - k * 5244672, STRIDE)
    if 0 < w <= TAG:
        return None
    r = q * S + max(0, w - TAG)
    if r >= UNIT and k < MAX_FILLERS:
        return None
    plain = k * UNIT + r
    return plain if plain <= MAX_PLAIN else None


def padded_size(plain):
    """Section 19."""
    if plain < 2:
        return plain
    e = plain.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return -(-plain // step) * step


# ---- metadata (section 7) --------------------------------------------------

NAMES = {2: "written_at", 3: "content_type", 4: "content_encoding", 5: "content_disposition", 6: "content_language", 7: "cache_control",
         8: "expires", 9: "user", 10: "md5", 11: "checksum", 12: "writer"}
TOKEN = re.compile(rb"[a-z0-9!#$%&'*+\-.^_`|~]+\Z")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def parse_entries(b):
    last, at = 0, 0
    out = []
    while at < len(b) and b[at] != 0:
        kind = b[at]
        if kind <= last:
            raise ErrIntegrity("metadata entries are repeated or out of order")
        if at + 3 > len(b):
            raise ErrIntegrity("a metadata entry ends within its length")
        end = at + 3 + int.from_bytes(b[at + 1:at + 3], "big")
        if end > len(b):
            raise ErrIntegrity("a metadata entry is longer than the metadata")
        out.append((kind, b[at + 3:end]))
        last, at = kind, end
    if any(b[at:]):
        raise ErrIntegrity("nonzero byte after the metadata")
    return out


def parse_pairs(b):
    pairs, last = {}, b""
    while b:
        field = []
        for _ in range(2):
            n = int.from_bytes(b[:2], "big")
            if len(b) < 2 or len(b) < 2 + n:
                raise ErrIntegrity("user metadata ends early")
            field.append(b[2:2 + n])
            b = b[2 + n:]
        name, value = field
        if not TOKEN.match(name) or name <= last or CONTROL.search(value):
            raise ErrIntegrity("user metadata breaks its rules")
        pairs[name.decode()] = value.decode("utf-8", "surrogateescape")
        last = name
    return pairs


def parse_metadata(b, tail=False):
    """With tail, b is that of class 2: entry 20 is mandatory, and becomes meta["table"]."""
    meta = {}
    for index, (kind, value) in enumerate(parse_entries(b)):
        if (index == 0) != (kind == 1):
            raise ErrIntegrity("the plain size is missing")
        if kind == 20 and tail:
            if len(value) != 26:
                raise ErrIntegrity("the place of the part table breaks its rule")
            count, offset = struct.unpack(">HQ", value[:10])
            if not 1 <= count <= MAX_PARTS or offset > 2 * MAX_PLAIN:
                raise ErrIntegrity("the place of the part table breaks its rule")
            meta["table"] = count, offset, value[10:]
            continue
        if 12 < kind < 128:
            raise ErrUnsupported("metadata entry of type %d" % kind)
        if kind == 129:
            if len(value) != 18 or not 1 <= struct.unpack(">H", value[16:])[0] <= MAX_PARTS:
                raise ErrIntegrity("metadata entry of type 129 breaks its rule")
            meta["etag"] = "%s-%d" % (value[:16].hex(), struct.unpack(">H", value[16:])[0])
        if kind == 131:
            if not value or CONTROL.search(value):
                raise ErrIntegrity("metadata entry of type 131 breaks its rule")
            meta["website_redirect"] = value.decode("utf-8", "surrogateescape")
        if kind >= 128:
            continue
        number = int.from_bytes(value, "big")
        if (not value
                or kind in (1, 2) and len(value) != 8 or kind == 1 and number > MAX_PLAIN or kind == 2 and number >= 1 << 47
                or kind == 10 and len(value) != 16 or kind == 11 and len(value) > 128 or kind == 12 and len(value) > 64
                or (3 <= kind <= 8 or kind == 12) and CONTROL.search(value)):
            raise ErrIntegrity("metadata entry of type %d breaks its rule" % kind)
        if kind == 1:
            meta["plain_size"] = number
        elif kind == 2:
            meta[NAMES[kind]] = (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=number)).isoformat() + "Z"
        elif kind == 9:
            meta[NAMES[kind]] = parse_pairs(value)
        elif kind in (10, 11):
            meta[NAMES[kind]] = value.hex()
        else:
            meta[NAMES[kind]] = value.decode("utf-8", "surrogateescape")
    if not meta:
        raise ErrIntegrity("the plain size is missing")
    if tail and "table" not in meta:
        raise ErrIntegrity("the place of the part table is missing")
    return meta


# ---- block and body (sections 4, 6, 8) -------------------------------------

def block_keys(master, head, ctx):
    mk = hkdf_expand(master.meta, LABEL + b"meta-block\0" + head + ctx, 88)
    wk = hkdf_expand(master.object, LABEL + b"oek-wrap\0" + head + ctx, 56)
    return mk[:32], mk[32:56], mk[56:], wk[:32], wk[32:]


class Body:
    """A run of segments: a stream's, a part's, or the part table's."""

    def __init__(self, suite, oek, oid, plain, label=b"body", info=b""):
        n = SUITES[suite].nonce_size
        okm = hkdf_expand(hkdf_extract(oid, oek), LABEL + label + b"\0" + bytes([suite, 16]) + info, 32 + n)
        self.cipher, self.base, self.plain, self.last = SUITES[suite](okm[:32]), okm[32:], plain, segments(plain) - 1

    def nonce(self, i):
        mask = bytes(len(self.base) - 9) + bytes([i == self.last]) + struct.pack(">Q", i)
        return bytes(a ^ b for a, b in zip(self.base, mask))

    def size(self, i):
        """Stored bytes of segment i."""
        return min(STRIDE, body_size(self.plain) - i * STRIDE)

    def open(self, i, sealed):
        """Plain bytes of segment i, padding included."""
        if len(sealed) != self.size(i):
            raise ErrIntegrity("segment %d is short" % i)
        return unseal(self.cipher, self.nonce(i), sealed, None, "segment %d" % i)


def parse_header(b):
    """Checks 1 to 5 of section 4; returns (class, suite, kid, oid, block length)."""
    if b[:4] != b"SCPX":
        raise ErrNotSealed("the object does not begin with SCPX")
    if len(b) < 54:
        raise ErrForeign("%d bytes are less than a header" % len(b))
    version, kind, suite, log2, flags = struct.unpack(">HBBBB", b[4:10])
    kid, meta_len = b[10:18], int.from_bytes(b[50:54], "big")
    if version != 2:
        raise ErrVersion("version %d" % version)
    if kind > 2 or suite not in SUITES or log2 != 16 or flags > 1 or flags and kind != 0:
        raise ErrUnsupported("class %d, suite %d, segments of 2^%d, flags %#x" % (kind, suite, log2, flags))
    if kind == 1 and (kid != bytes(8) or meta_len != 0):
        raise ErrUnsupported("multipart part with a key id or a block")
    if kind != 1 and meta_len + 54 not in BLOCKS:
        raise ErrForeign("%d bytes of metadata" % meta_len)
    return kind, suite, kid, b[18:34], meta_len + 54


def open_block(ring, ctx, block, stored_size):
    """Returns (metadata, body, kid) of an authenticated block; section 4 and 6 give the order of the checks."""
    kind = parse_header(block)[0]
    if kind != 0:
        raise ErrUnsupported("multipart " + ("part", "tail")[kind - 1])
    meta, suite, oid, oek, kid = authenticate(ring, ctx, block, stored_size)
    return meta, Body(suite, oek, oid, padded_size(meta["plain_size"]) if block[9] else meta["plain_size"]), kid


def authenticate(ring, ctx, block, stored_size):
    """Returns (metadata, suite, oid, oek, kid) of a block or tail."""
    kind, suite, kid, oid, length = parse_header(block)
    if len(block) != length:
        raise ErrForeign("block of %d bytes, its header says %d" % (len(block), length))
    plain = plain_size(length, stored_size)
    if plain is None:
        raise ErrForeign("no object has %d bytes" % stored_size)
    if kid not in ring:
        raise ErrKeyUnknown("sealed under the key " + kid.hex())
    mk, mn, commit, wk, wn = block_keys(ring[kid], block[:54], ctx)
    if not hmac.compare_digest(commit, block[54:86]):
        raise ErrCommit("wrong bucket, wrong key name, wrong master key, or an edited block")
    oek = unseal(XChaCha20Poly1305(wk), wn, block[86:134], commit, "the wrapped object key")
    meta = parse_metadata(unseal(XChaCha20Poly1305(mk), mn, block[134:], block[54:134], "the metadata"), kind == 2)
    if (padded_size(meta["plain_size"]) if block[9] else meta["plain_size"]) != plain:
        raise ErrIntegrity("%d stored bytes, sealed with %d" % (stored_size, sealed_size(length, meta["plain_size"])))
    return meta, suite, oid, oek, kid


def open_object(ring, ctx, source, stored_size, block_len, sink):
    """Opens a whole object from the binary file source; calls sink(bytes) with each verified segment. Returns (metadata, kid).

    Nothing given to sink may be used before this returns."""
    block = source.read(block_len)
    if parse_header(block)[0] == 1:
        return open_multipart(ring, ctx, source, stored_size, block_len, sink)
    meta, body, kid = open_block(ring, ctx, block, stored_size)
    for i in range(body.last + 1):
        data = body.open(i, source.read(body.size(i)))
        keep = max(meta["plain_size"] - i * S, 0)
        if any(data[keep:]):
            raise ErrIntegrity("the padding is not zero")
        sink(data[:keep])
    rest = source.read(filler(body.plain) + 1)
    if len(rest) != filler(body.plain) or any(rest):
        raise ErrIntegrity("the filler is not what was written")
    return meta, kid


# ---- folder markers (section 21) -------------------------------------------

def open_folder(ring, key, ctx, value):
    """Opens the block that an empty object has as user metadata. Returns (metadata, kid)."""
    try:
        block = base64.b64decode(value, validate=True)
    except ValueError:
        raise ErrNotSealed("the metadata scpx-block is not base64") from None
    if not block:
        raise ErrForeign("an empty object without a block")
    if not key.endswith("/"):
        raise ErrForeign("the name of a folder marker ends in a slash")
    kind, _, _, _, length = parse_header(block)
    if kind == 0 and length > 1024:
        raise ErrForeign("block of %d bytes" % length)
    meta, _, kid = open_block(ring, ctx, block, sealed_size(length, 0))
    return meta, kid


# ---- multipart (section 12) ------------------------------------------------

def part_size(plain):
    return 54 + body_size(plain)


def table_keys(suite, oek, oid, count, salt):
    return Body(suite, oek, oid, 32 * count, b"part-table", struct.pack(">I", count) + salt)


def part_keys(suite, oek, oid, number, salt, plain):
    return Body(suite, oek, oid, plain, b"part", struct.pack(">I", number) + salt)


def part_head(suite, oid, salt):
    return b"SCPX\0\2\1" + bytes([suite, 16, 0]) + bytes(8) + oid + salt + bytes(4)


def parse_table(rows):
    parts, last = [], 0
    for at in range(0, len(rows), 32):
        number, reserved, plain, flags, salt = struct.unpack(">HHQI16s", rows[at:at + 32])
        if flags:
            raise ErrUnsupported("flags in the part table")
        if (reserved or not last < number <= MAX_PARTS or plain > MAX_PART
                or plain < UNIT and at + 32 < len(rows)):
            raise ErrIntegrity("the part table breaks its rules")
        parts.append((number, plain, salt))
        last = number
    return parts


def open_tail(ring, ctx, head, tail, stored_size):
    """Returns (metadata, suite, oid, oek, kid) of a multipart object that begins with head and ends with tail."""
    kind, suite, _, oid, _ = parse_header(head)
    if kind != 1:
        raise ErrUnsupported("the object has no tail")
    plain = plain_size(len(tail), stored_size) if len(tail) in BLOCKS else None
    if plain is None:
        raise ErrForeign("no object has %d bytes" % stored_size)
    if plain < UNIT:
        raise ErrUnsupported("multipart object of %d bytes" % plain)
    if tail[:4] != b"SCPX" or parse_header(tail)[0] != 2:
        raise ErrIntegrity("the object does not end with a tail")
    opened = authenticate(ring, ctx, tail, stored_size)
    if (oid, suite) != (opened[2], opened[1]):
        raise ErrIntegrity("the first part is another upload's")
    count, offset, _ = opened[0]["table"]
    if offset < part_size(plain) or offset + body_size(32 * count) > stored_size - len(tail):
        raise ErrIntegrity("the part table lies outside its place")
    return opened


def open_table(opened, head, sealed):
    """Returns [(number, plain size, salt)]; sealed are the stored bytes of the table."""
    meta, suite, oid, oek, _ = opened
    count, offset, salt = meta["table"]
    keys = table_keys(suite, oek, oid, count, salt)
    parts = parse_table(b"".join(keys.open(i, sealed[i * STRIDE:(i + 1) * STRIDE]) for i in range(keys.last + 1)))
    if sum(p[1] for p in parts) != meta["plain_size"] or sum(part_size(p[1]) for p in parts) != offset or head[34:50] != parts[0][2]:
        raise ErrIntegrity("the parts are not the object's")
    return parts


def open_multipart(ring, ctx, source, stored_size, block_len, sink):
    """open_object for class 1; source must be able to seek."""
    def read(at, n):
        source.seek(at)
        return source.read(n)

    head = read(0, 54)
    opened = open_tail(ring, ctx, head, read(max(0, stored_size - block_len), block_len), stored_size)
    meta, suite, oid, oek, kid = opened
    count, offset, _ = meta["table"]
    length = body_size(32 * count)
    parts = open_table(opened, head, read(offset, length))
    rest = read(offset + length, stored_size - block_len - offset - length)
    if any(rest):
        raise ErrIntegrity("the filler is not zero")
    source.seek(0)
    for number, plain, salt in parts:
        if source.read(54) != part_head(suite, oid, salt):
            raise ErrIntegrity("the header of part %d is not what was written" % number)
        body = part_keys(suite, oek, oid, number, salt, plain)
        for i in range(body.last + 1):
            sink(body.open(i, source.read(body.size(i))))
    del meta["table"]
    return dict(meta, parts=len(parts)), kid


def find_block_len(source, stored_size):
    """The block length of an object, from its first header or from its tail's. Both are authenticated later."""
    kind, _, _, _, length = parse_header(source.read(54))
    if kind != 1:
        return length
    for length in BLOCKS:
        source.seek(max(0, stored_size - length))
        tail = source.read(54)
        if tail[:4] == b"SCPX" and tail[6:7] == b"\2" and tail[50:] == struct.pack(">I", length - 54):
            return length
    raise ErrIntegrity("the object does not end with a tail")


def upload_keys(master, salt, ctx):
    """TK, TN, EK of section 12.2."""
    okm = hkdf_expand(master.token, LABEL + b"upload-token\0" + salt + ctx, 56)
    return okm[:32], okm[32:], hkdf_expand(master.etag, LABEL + b"part-etag\0" + salt + ctx, 32)


def base64url(text):
    """The bytes of the one spelling, or None for any other."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None


def open_token(ring, ctx, token):
    """Returns (suite, oek, oid, created, checksum, backend id, EK), or None for a token that is not one of this place."""
    raw = base64url(token)
    if raw is None or not 107 <= len(raw) <= 1132 or raw[0] not in (2, 3) or raw[1:9] not in ring:
        return None
    tk, tn, ek = upload_keys(ring[raw[1:9]], raw[9:33], ctx)
    try:
        secret = unseal(XChaCha20Poly1305(tk), tn, raw[33:], raw[:33], "the token")
    except ErrIntegrity:
        return None
    end = 57 if raw[0] == 2 else 59
    suite, created, checksum, backend = secret[48], int.from_bytes(secret[49:57], "big"), secret[57:end], secret[end:]
    if suite not in SUITES or created >= 1 << 47 or not 1 <= len(backend) <= 1024 or CONTROL.search(backend) or checksum == b"\0\0":
        return None
    return suite, secret[:32], secret[32:48], created, checksum, backend, ek


def make_etag(ek, oid, number, salt, plain, flags, note, backend):
    facts = salt + struct.pack(">QB", plain, flags) + (bytes([len(note)]) + note if flags & 2 else b"")
    mac = hmac.new(ek, oid + struct.pack(">I", number) + facts + backend.encode("latin-1"), hashlib.sha256).digest()[:16]
    return (facts + mac).hex() + "." + backend


def parse_facts(facts):
    """salt, plain size, flags, note, or None."""
    if len(facts) < 25:
        return None
    plain, flags = struct.unpack(">QB", facts[16:25])
    note = facts[26:]
    if flags > 3 or (len(facts) != 25 if not flags & 2 else not 1 <= len(note) <= MAX_NOTE or facts[25] != len(note)):
        return None
    return facts[:16], plain, flags, note


def allowed_part(number, plain, flags):
    return 1 <= number <= MAX_PARTS and plain <= MAX_PART and flags & 1 == (plain < UNIT or number == MAX_PARTS)


def accept_etag(ek, oid, number, etag):
    """(plain size, note) of the part, or None for an ETag that is not one of this number of this upload."""
    m = re.fullmatch(r"((?:[0-9a-f]{2}){41,%d})\.([!#-~]{1,128})" % (42 + MAX_NOTE), etag)
    facts = m and parse_facts(bytes.fromhex(m[1])[:-16])
    if not facts or not 1 <= number <= MAX_PARTS:
        return None
    salt, plain, flags, note = facts
    good = hmac.compare_digest(make_etag(ek, oid, number, salt, plain, flags, note, m[2]).encode(), etag.encode())
    return (plain, note) if good and allowed_part(number, plain, flags) else None


def receipt_keys(oek, oid, number, salt, mac):
    okm = hkdf_expand(hkdf_extract(oid, oek), LABEL + b"part-receipt\0" + struct.pack(">I", number) + salt + mac, 56)
    return XChaCha20Poly1305(okm[:32]), okm[32:]


def open_receipt(oek, oid, name):
    """Section 12.8: (number, digits of the ETag), or None for a name that is not a receipt of this upload."""
    prefix = "_objcryptproxy___/mpu/%s/part-" % oid.hex()
    m = re.fullmatch(r"([0-9]{5})-([A-Za-z0-9_-]+)", name[len(prefix):]) if name.startswith(prefix) else None
    raw = m and base64url(m[2])
    if not raw or len(raw) < 57 or not 1 <= int(m[1]) <= MAX_PARTS:
        return None
    number, salt, mac = int(m[1]), raw[:16], raw[16:32]
    aead, nonce = receipt_keys(oek, oid, number, salt, mac)
    try:
        facts = salt + unseal(aead, nonce, raw[32:], b"", "the receipt")
    except ErrIntegrity:
        return None
    parsed = parse_facts(facts)
    return (number, (facts + mac).hex()) if parsed and allowed_part(number, parsed[1], parsed[2]) else None


# ---- bucket state (section 11) ---------------------------------------------

def parse_state(doc, kid):
    try:
        state = json.loads(doc.decode("utf-8"))
        version = state["version"]
        if type(version) is not int:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ErrIntegrity("not a bucket state") from None
    if version != 2:
        raise ErrVersion("bucket state of version %d" % version)
    try:
        settings = state["settings"]
        named, name_key = settings["name_encryption"], base64.b64decode(state.get("name_key") or "", validate=True)
        if settings["block_len"] not in BLOCKS or settings["segment"] != S or named is True and not any(name_key):
            raise ErrUnsupported("bucket settings %r" % settings)
        bucket_id = base64.b64decode(state["bucket_id"], validate=True)
        names, keys = state["names"], state["keys"]
        again = {
            "version": 2, "created_at": state["created_at"], "bucket_id": base64.b64encode(bucket_id).decode(), "names": sorted(set(names)),
            "keys": {k: base64.b64encode(base64.b64decode(v, validate=True)).decode() for k, v in sorted(keys.items())},
            "settings": {k: settings[k] for k in ("block_len", "segment", "name_encryption", "padding")},
        }
        if named:
            again["name_key"] = base64.b64encode(name_key).decode()
        if state.get("closing") is True:
            again["closing"] = True
        good = (
            len(bucket_id) == 16 and bucket_id != bytes(16) and 1 <= len(names) <= 64
            and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", state["created_at"], re.ASCII) and state["created_at"] >= "1970"
            and all(re.fullmatch(r"[A-Za-z0-9._-]{3,255}", n) for n in names)
            and all(re.fullmatch(r"[0-9a-f]{16}", k) and len(base64.b64decode(v)) == 32 for k, v in keys.items())
            and kid.hex() in keys and type(named) is bool and type(settings["padding"]) is bool and (not named or len(name_key) == 32)
        )
        datetime.datetime.strptime(state["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ")
        if not good or json.dumps(again, separators=(",", ":")).encode() != doc:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ErrIntegrity("the bucket state is not canonical") from None
    return state, bucket_id


def open_state(ring, source, stored_size):
    """Returns (document, bucket id)."""
    meta, body, kid = open_block(ring, STATE_CONTEXT, source.read(512), stored_size)
    if body.plain > 1 << 20:
        raise ErrUnsupported("bucket state of %d bytes" % body.plain)
    doc = b"".join(body.open(i, source.read(body.size(i))) for i in range(body.last + 1))
    if source.read(1):
        raise ErrIntegrity("bytes after the bucket state")
    return parse_state(doc, kid)


# ---- names (section 18) ----------------------------------------------------

class Namer:
    def __init__(self, bucket_id, name_key):
        okm = hkdf_expand(hkdf_extract(bucket_id, name_key), LABEL + b"name-encryption", 64)
        self.mac, self.enc = okm[:32], okm[32:]

    def _tag(self, parent, component):
        return hmac.new(self.mac, struct.pack(">H", len(parent)) + parent + component, hashlib.sha256).digest()[:16]

    def _ctr(self, tag, data):
        c = Cipher(algorithms.AES(self.enc), modes.CTR(tag)).encryptor()
        return c.update(data) + c.finalize()

    def seal(self, name):
        name = name.encode("utf-8", "surrogateescape")
        if len(name) > 1024:
            raise ErrNameTooLong("%d bytes" % len(name))
        out, parent = [], b""
        for c in name.split(b"/"):
            tag = self._tag(parent, c)
            out.append(base64.urlsafe_b64encode(tag + self._ctr(tag, c)).rstrip(b"=") if c else b"")
            parent += c + b"/"
        sealed = b"/".join(out).decode()
        if len(sealed) > 1024:
            raise ErrNameTooLong("%d bytes become %d" % (len(name), len(sealed)))
        return sealed

    def open(self, stored):
        if len(stored) > 1024:
            raise ErrName("%d bytes" % len(stored))
        parent = b""
        for c in stored.split("/"):
            if c:
                if not re.fullmatch("[A-Za-z0-9_-]+", c) or len(c) % 4 == 1:
                    raise ErrName("not a sealed name")
                raw = base64.urlsafe_b64decode(c + "=" * (-len(c) % 4))
                plain = self._ctr(raw[:16], raw[16:]) if len(raw) > 16 else b"/"
                good = b"/" not in plain and hmac.compare_digest(self._tag(parent, plain), raw[:16])
                if not good or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != c:
                    raise ErrName("a component does not open")
                parent += plain
            parent += b"/"
        return parent[:-1].decode("utf-8", "surrogateescape")


# ---- command line ----------------------------------------------------------

def read_master(path):
    if path is None:
        text = getpass.getpass("master key (64 hex digits): ").encode()
    elif path == "-":
        text = sys.stdin.buffer.read(4096)
    else:
        with open(path, "rb") as f:
            text = f.read(4096)
    if len(text) == 32:
        return text
    try:
        master = bytes.fromhex(text.decode().strip())
        if len(master) == 32:
            return master
    except ValueError:
        pass
    raise ValueError("the master key must be 64 hex digits or 32 raw bytes")


def write_verified(path, opener):
    """Runs opener(write) into a temporary file beside path and renames it only when all is verified."""
    fd, temp = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".scpx-")  # mode 0600
    try:
        with os.fdopen(fd, "wb") as out:
            result = opener(out.write)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temp, path)
        return result
    except BaseException:
        os.unlink(temp)
        raise


def open_names(namer, path):
    """Prints "stored name, tab, plain name"; returns 1 if one of them does not open."""
    with open(path, encoding="utf-8") if path != "-" else sys.stdin as f:
        status = 0
        for line in f:
            stored = line.rstrip("\r\n")
            if stored.startswith("_objcryptproxy___"):
                continue
            try:
                print("%s\t%s" % (stored, namer.open(stored)))
            except ErrName as e:
                print("scpx_open: %s: %s" % (stored, e), file=sys.stderr)
                status = 1
    return status


def run(argv):
    parser = argparse.ArgumentParser(prog="scpx_open.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("object", nargs="?", help="file with the stored object")
    parser.add_argument("--master-file", metavar="FILE", help='file with the master key, "-" for standard input; default: ask')
    parser.add_argument("--state", metavar="FILE", help="file with the stored object " + STATE_KEY)
    parser.add_argument("--bucket-id", metavar="HEX", help="32 hex digits, instead of --state")
    parser.add_argument("--key", metavar="NAME", help="name of the object in its bucket")
    parser.add_argument("--stored-name", metavar="SEALED", help="the name it is stored under, where names are sealed, instead of --key")
    parser.add_argument("--names", metavar="LIST", help='file with stored names, "-" for standard input, to be opened')
    parser.add_argument("--folder", metavar="VALUE", help="the user metadata scpx-block of a folder marker, instead of an object")
    parser.add_argument("-o", "--output", metavar="OUT", help="file for the plaintext; it must not exist")
    args = parser.parse_args(argv)
    if not args.state and not args.bucket_id:
        parser.error("--state or --bucket-id is needed")
    if args.folder and (args.object or args.output or not (args.key or args.stored_name and args.state)):
        parser.error("--folder needs --key, or --stored-name with --state, and has no content")
    if args.object and not ((args.key or args.stored_name and args.state) and args.output):
        parser.error("--output, and --key, or --stored-name with --state, are needed to open an object")
    if args.names == "-" and args.master_file == "-":
        parser.error("standard input is either the list of names or the master key")
    if not args.object and not args.state and not args.folder:
        parser.error("nothing to do")

    ring = keyring([read_master(args.master_file)])
    bucket_id = bytes.fromhex(args.bucket_id) if args.bucket_id else None
    if args.state:
        with open(args.state, "rb") as f:
            state, from_state = open_state(ring, f, os.path.getsize(args.state))
        if bucket_id not in (None, from_state):
            raise ValueError("the state names another bucket id: " + from_state.hex())
        bucket_id = from_state
        namer = None
        if state["settings"]["name_encryption"]:
            namer = Namer(bucket_id, base64.b64decode(state.pop("name_key")))
        elif args.names or args.stored_name or args.key and not args.object and not args.folder:
            raise ValueError("the names of this bucket are not sealed")
        if args.names:
            return open_names(namer, args.names)
        if args.stored_name:
            args.key = namer.open(args.stored_name)
        if not args.object and not args.folder and (args.key or args.stored_name):
            print(args.key if args.stored_name else namer.seal(args.key))
            return 0
        if not args.object and not args.folder:
            print(json.dumps(dict(state, bucket_id=bucket_id.hex()), indent=1))
            return 0
    if args.folder:
        meta, kid = open_folder(ring, args.key, object_context(bucket_id, args.key), args.folder)
        print(json.dumps(dict(meta, master=kid.hex()), indent=1))
        return 0
    if os.path.exists(args.output):
        raise ValueError("%s exists" % args.output)
    with open(args.object, "rb") as f:
        size = os.path.getsize(args.object)
        block_len = find_block_len(f, size)
        f.seek(0)
        meta, kid = write_verified(args.output, lambda write: open_object(ring, object_context(bucket_id, args.key), f, size, block_len, write))
    print(json.dumps(dict(meta, master=kid.hex()), indent=1))
    return 0


def main():
    try:
        return run(sys.argv[1:])
    except Refused as e:
        print("scpx_open: refused: %s: %s" % (type(e).__name__, e), file=sys.stderr)
    except (OSError, ValueError, EOFError, KeyboardInterrupt) as e:
        print("scpx_open: cannot open: %s" % (e or type(e).__name__), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
