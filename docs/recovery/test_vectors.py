#!/usr/bin/env python3
"""Holds scpx_open.py to the published vectors.

    test_vectors.py VECTORS [--objects DIR]

VECTORS is format/testdata/scpx/v2. Every positive vector is sealed here from its
inputs, compared with the published digest, and opened; every negative one must be
refused with its error. With --objects, DIR holds the objects that the Go
implementation wrote (SCPX_VECTOR_DIR=DIR go test ./format -run TestExportVectors),
and those files are opened as well. Last, the command line is tried.
"""
import argparse
import base64
import glob
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile

import scpx_open as scpx

SUITES = {"xchacha20-poly1305": 1, "aes-256-gcm": 2}
failures = []
passed = 0


def check(name, good, why):
    global passed
    if good:
        passed += 1
    else:
        failures.append("%s: %s" % (name, why))


def plain_bytes(n):
    period = bytes(7 * i & 255 for i in range(256))
    return (period * (n // 256 + 1))[:n]


def seal_block(v, ctx, kind=0):
    """The block of vector v, from its inputs alone (SPEC.md sections 4 and 6)."""
    master, suite, block_len = scpx.Master(bytes.fromhex(v["master"])), SUITES[v["suite"]], v["block_len"]
    head = (b"SCPX\0\2" + bytes([kind, suite, 16, v.get("padded", False)]) + master.kid + bytes.fromhex(v["oid"]) + bytes.fromhex(v["salt"])
            + (block_len - 54).to_bytes(4, "big"))
    mk, mn, commit, wk, wn = scpx.block_keys(master, head, ctx)
    wrapped = scpx.XChaCha20Poly1305(wk).encrypt(wn, bytes.fromhex(v["oek"]), commit)
    entries = bytes.fromhex(v["metadata"]).ljust(block_len - 150, b"\0")
    return head + commit + wrapped + scpx.XChaCha20Poly1305(mk).encrypt(mn, entries, commit + wrapped)


def seal(v, ctx, plain):
    if v.get("padded"):
        plain = plain.ljust(scpx.padded_size(len(plain)), b"\0")
    body = scpx.Body(SUITES[v["suite"]], bytes.fromhex(v["oek"]), bytes.fromhex(v["oid"]), len(plain))
    out = [seal_block(v, ctx)]
    for i in range(body.last + 1):
        out.append(body.cipher.encrypt(body.nonce(i), plain[i * scpx.S:(i + 1) * scpx.S], None))
    out.append(bytes(scpx.filler(len(plain))))
    return b"".join(out)


def open_whole(ring, ctx, stored, block_len):
    out = []
    meta, _ = scpx.open_object(ring, ctx, io.BytesIO(stored), len(stored), block_len, out.append)
    return meta, b"".join(out)


def refusal(f):
    try:
        f()
    except scpx.Refused as e:
        return type(e).__name__
    return "nothing"


def load(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as f:
        return json.load(f)


def from_objects(objects, name):
    with open(os.path.join(objects, name.replace("/", "_") + ".scpx"), "rb") as f:
        return f.read()


def positives(directory, objects):
    """Returns name → stored bytes of those that splices refer to."""
    kept = {}
    for path in sorted(glob.glob(os.path.join(directory, "stream-*.json"))) + [
            os.path.join(directory, name) for name in ("metadata.json", "parts-md5.json", "redirect.json", "padding.json")]:
        for v in load(directory, os.path.basename(path)):
            plain, ctx = plain_bytes(v["plain_len"]), scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
            ring = scpx.keyring([bytes.fromhex(v["master"])])
            stored = seal(v, ctx, plain)
            check(v["name"], len(stored) == v["stored_len"] and hashlib.sha256(stored).hexdigest() == v["stored_sha256"], "sealed bytes differ")
            check(v["name"], v.get("stored_hex", stored.hex()) == stored.hex(), "stored_hex differs")
            if objects:
                check(v["name"], from_objects(objects, v["name"]) == stored, "the exported object differs")
            try:
                meta, got = open_whole(ring, ctx, stored, v["block_len"])
                check(v["name"], got == plain and meta["plain_size"] == len(plain), "opened to other bytes")
            except scpx.Refused as e:
                check(v["name"], False, "%s: %s" % (type(e).__name__, e))
            if v["block_len"] == 512:
                kept[v["name"]] = stored
            kept.setdefault("inputs", {})[v["name"]] = (v, stored)
    return kept


def stored_of(v, kept, objects):
    if "pieces" in v:
        stored = b"".join(bytes.fromhex(p["hex"]) if "hex" in p else kept[p["from"]][p.get("offset", 0):][:p["length"]] for p in v["pieces"])
    else:
        stored = bytes.fromhex(v.get("stored_hex", ""))
    check(v["name"], hashlib.sha256(stored).hexdigest() == v["stored_sha256"] and len(stored) == v["stored_len"], "the vector is damaged")
    if objects:
        check(v["name"], from_objects(objects, v["name"]) == stored, "the exported object differs")
    return stored


def negatives(directory, kept, objects):
    for v in sum((load(directory, name + "negative.json") for name in ("", "padding-", "parts-md5-", "redirect-")), []):
        stored = stored_of(v, kept, objects)
        ring = scpx.keyring(map(bytes.fromhex, v["masters"]))
        ctx = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
        got = refusal(lambda: open_whole(ring, ctx, stored, v["block_len"]))
        check(v["name"], got == v["error"], "refused with %s, want %s" % (got, v["error"]))


def folders(directory):
    for v in load(directory, "folder.json"):
        ctx, ring = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"]), scpx.keyring([bytes.fromhex(v["master"])])
        check(v["name"], base64.b64encode(seal_block(v, ctx)).decode() == v["value"], "sealed bytes differ")
        try:
            meta, _ = scpx.open_folder(ring, v["key"], ctx, v["value"])
            check(v["name"], meta == scpx.parse_metadata(bytes.fromhex(v["metadata"])), "opened to other metadata")
        except scpx.Refused as e:
            check(v["name"], False, "%s: %s" % (type(e).__name__, e))
    for v in load(directory, "folder-negative.json"):
        ctx, ring = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"]), scpx.keyring([bytes.fromhex(v["master"])])
        got = refusal(lambda: scpx.open_folder(ring, v["key"], ctx, v["value"]))
        check(v["name"], got == v["error"], "refused with %s, want %s" % (got, v["error"]))


def states(directory, objects):
    for v in load(directory, "state.json"):
        ring, stored = scpx.keyring([bytes.fromhex(v["master"])]), bytes.fromhex(v["stored_hex"])
        doc = v["document"].encode()
        sealed = seal(dict(v), scpx.STATE_CONTEXT, doc)
        check(v["name"], sealed == stored, "sealed bytes differ")
        if objects:
            check(v["name"], from_objects(objects, v["name"]) == stored, "the exported object differs")
        try:
            state, bucket_id = scpx.open_state(ring, io.BytesIO(stored), len(stored))
            check(v["name"], state == json.loads(doc) and bucket_id == bytes(range(0xa0, 0xb0)), "another document")
        except scpx.Refused as e:
            check(v["name"], False, "%s: %s" % (type(e).__name__, e))
    for v in load(directory, "state-negative.json"):
        stored = stored_of(v, {}, objects)
        ring = scpx.keyring(map(bytes.fromhex, v["masters"]))
        got = refusal(lambda: scpx.open_state(ring, io.BytesIO(stored), len(stored)))
        check(v["name"], got == v["error"], "refused with %s, want %s" % (got, v["error"]))


def copies(directory, kept):
    for v in load(directory, "copy.json"):
        source, stored = kept["inputs"][v["from"]]
        block = bytes.fromhex(v["block_hex"])
        ring = scpx.keyring([bytes.fromhex(v["master"])])
        ctx = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
        try:
            _, got = open_whole(ring, ctx, block + stored[source["block_len"]:], len(block))
            check(v["name"], got == plain_bytes(source["plain_len"]), "opened to other bytes")
        except scpx.Refused as e:
            check(v["name"], False, "%s: %s" % (type(e).__name__, e))


def parts_of(v):
    for run in v["parts"]:
        salt = bytes.fromhex(run["salt"])
        for i in range(run["count"]):
            yield run["number"] + i, run["plain_len"], salt[:12] + (int.from_bytes(salt[12:], "big") + i).to_bytes(4, "big")


def seal_run(body, plain):
    return b"".join(body.cipher.encrypt(body.nonce(i), plain[i * scpx.S:(i + 1) * scpx.S], None) for i in range(body.last + 1))


def seal_end(v, ctx):
    """Table, filler and tail of a multipart vector, and the stored size of its parts."""
    suite, oek, oid, salt = SUITES[v["suite"]], bytes.fromhex(v["oek"]), bytes.fromhex(v["oid"]), bytes.fromhex(v["table_salt"])
    parts = list(parts_of(v))
    rows = b"".join(n.to_bytes(2, "big") + bytes(2) + p.to_bytes(8, "big") + bytes(4) + s for n, p, s in parts)
    table = seal_run(scpx.table_keys(suite, oek, oid, len(parts), salt), rows)
    stored = sum(scpx.part_size(p) for _, p, _ in parts)
    filler = scpx.sealed_size(v["block_len"], sum(p for _, p, _ in parts)) - v["block_len"] - stored - len(table)
    entry = b"\x14\0\x1a" + len(parts).to_bytes(2, "big") + stored.to_bytes(8, "big") + salt
    return table + bytes(filler) + seal_block(dict(v, metadata=v["metadata"] + entry.hex()), ctx, 2), stored


def multiparts(directory, objects):
    """Returns name → stored bytes of the multipart vectors that are small enough."""
    kept = {}
    for v in load(directory, "multipart.json"):
        ctx, ring = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"]), scpx.keyring([bytes.fromhex(v["master"])])
        suite, oek, oid = SUITES[v["suite"]], bytes.fromhex(v["oek"]), bytes.fromhex(v["oid"])
        end, before = seal_end(v, ctx)
        check(v["name"], hashlib.sha256(end).hexdigest() == v["end_sha256"] and before + len(end) == v["stored_len"], "the end differs")
        parts = list(parts_of(v))
        if "stored_sha256" not in v:
            head = scpx.part_head(suite, oid, parts[0][2])
            try:
                opened = scpx.open_tail(ring, ctx, head, end[-v["block_len"]:], v["stored_len"])
                got = scpx.open_table(opened, head, end[:scpx.body_size(32 * len(parts))])
                check(v["name"], got == parts and opened[0]["plain_size"] == v["plain_len"], "another table")
            except scpx.Refused as e:
                check(v["name"], False, "%s: %s" % (type(e).__name__, e))
            continue
        # "two-again" is the only one whose first part has other content: the sequence from its 100th byte
        at, plain, out = 0, [], []
        for number, size, salt in parts:
            begin = 100 if v["name"] == "multipart/two-again" and number == 1 else at
            plain.append(plain_bytes(begin + size)[begin:])
            out.append(scpx.part_head(suite, oid, salt) + seal_run(scpx.part_keys(suite, oek, oid, number, salt, size), plain[-1]))
            at += size
        stored = b"".join(out) + end
        check(v["name"], hashlib.sha256(stored).hexdigest() == v["stored_sha256"], "sealed bytes differ")
        if objects:
            check(v["name"], from_objects(objects, v["name"]) == stored, "the exported object differs")
        try:
            meta, got = open_whole(ring, ctx, stored, v["block_len"])
            check(v["name"], got == b"".join(plain) and meta["parts"] == len(parts), "opened to other bytes")
        except scpx.Refused as e:
            check(v["name"], False, "%s: %s" % (type(e).__name__, e))
        kept[v["name"]] = stored
    for v in load(directory, "multipart-negative.json"):
        stored = stored_of(v, kept, None)
        ctx, ring = scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"]), scpx.keyring(map(bytes.fromhex, v["masters"]))
        got = refusal(lambda: open_whole(ring, ctx, stored, v["block_len"]))
        check(v["name"], got == v["error"], "refused with %s, want %s" % (got, v["error"]))
    return kept


def uploads(directory):
    for v in load(directory, "upload.json"):
        master, ctx = bytes.fromhex(v["master"]), scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
        ring, oid, oek = scpx.keyring([master]), bytes.fromhex(v["oid"]), bytes.fromhex(v["oek"])
        tk, tn, ek = scpx.upload_keys(scpx.Master(master), bytes.fromhex(v["token_salt"]), ctx)
        check(v["name"], (tk.hex(), tn.hex(), ek.hex()) == (v["tk"], v["tn"], v["ek"]), "other keys")
        want = SUITES[v["suite"]], oek, oid, v["created_ms"], b"", v["backend_id"].encode(), ek
        check(v["name"], scpx.open_token(ring, ctx, v["token"]) == want, "another token")
        for i, token in enumerate(v["refused_tokens"]):
            check(v["name"], scpx.open_token(ring, ctx, token) is None, "refused token %d opens" % i)
        for e in v["etags"]:
            size = e.get("plain_len", 0)
            flags = int(size < scpx.UNIT or e["number"] == scpx.MAX_PARTS)
            check(v["name"], scpx.make_etag(ek, oid, e["number"], bytes.fromhex(e["salt"]), size, flags, b"", e["backend_etag"]) == e["etag"], "another ETag")
            check(v["name"], scpx.accept_etag(ek, oid, e["number"], e["etag"]) == (size, b""), "an ETag is refused")
        for i, e in enumerate(v["refused_etags"]):
            check(v["name"], scpx.accept_etag(ek, oid, e["number"], e["etag"]) is None, "refused ETag %d is accepted" % i)
    for v in load(directory, "upload-checksums.json"):
        master, ctx = bytes.fromhex(v["master"]), scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
        ring, oid, oek = scpx.keyring([master]), bytes.fromhex(v["oid"]), bytes.fromhex(v["oek"])
        ek = scpx.upload_keys(scpx.Master(master), bytes.fromhex(v["token_salt"]), ctx)[2]
        want = SUITES[v["suite"]], oek, oid, v["created_ms"], bytes.fromhex(v["checksum"]), v["backend_id"].encode(), ek
        check(v["name"], scpx.open_token(ring, ctx, v["token"]) == want, "another token")
        for i, token in enumerate(v["refused_tokens"]):
            check(v["name"], scpx.open_token(ring, ctx, token) is None, "refused token %d opens" % i)
        for p in v["parts"]:
            size, note = p["plain_len"], bytes.fromhex(p["note"])
            flags = int(size < scpx.UNIT or p["number"] == scpx.MAX_PARTS) | 2 * bool(note)
            etag = scpx.make_etag(ek, oid, p["number"], bytes.fromhex(p["salt"]), size, flags, note, p["backend_etag"])
            check(v["name"], etag == p["etag"], "another ETag")
            check(v["name"], scpx.accept_etag(ek, oid, p["number"], p["etag"]) == (size, note), "an ETag is refused")
            check(v["name"], scpx.open_receipt(oek, oid, p["receipt"]) == (p["number"], etag.split(".")[0]), "another receipt")
        for i, e in enumerate(v["refused_etags"]):
            check(v["name"], scpx.accept_etag(ek, oid, e["number"], e["etag"]) is None, "refused ETag %d is accepted" % i)
        for i, name in enumerate(v["refused_receipts"]):
            check(v["name"], scpx.open_receipt(oek, oid, name) is None, "refused receipt %d opens" % i)


def names(directory):
    for v in load(directory, "names.json"):
        namer = scpx.Namer(bytes.fromhex(v["bucket_id"]), bytes.fromhex(v["name_key"]))
        check(v["name"], (namer.mac.hex(), namer.enc.hex()) == (v["k_mac"], v["k_enc"]), "other keys")
        for n in v["names"]:
            check(v["name"], namer.seal(n["plain"]) == n["stored"], "%r seals to another name" % n["plain"])
            check(v["name"], namer.open(n["stored"]) == n["plain"], "%r opens to another name" % n["stored"])
        for stored in v["refused"]:
            check(v["name"], refusal(lambda: namer.open(stored)) == "ErrName", "%r opens" % stored)


def keys_and_sizes(directory, kept):
    want = {v["name"]: bytes.fromhex(v["value"]) for v in load(directory, "keys.json")}
    v, stored = kept["inputs"]["xchacha20-poly1305/512/1"]
    master, ctx = scpx.Master(want["master"]), scpx.object_context(bytes.fromhex(v["bucket_id"]), v["key"])
    mk, mn, commit, wk, wn = scpx.block_keys(master, stored[:54], ctx)
    got = {"master": want["master"], "PRK": scpx.hkdf_extract(b"s3-crypt-proxy/v2", want["master"]), "K_obj": master.object, "K_meta": master.meta,
           "KVT": master.kvt, "KID": master.kid, "B": stored[:54], "CTX": ctx, "MK": mk, "MN": mn, "COMMIT": commit, "WK": wk, "WN": wn,
           "OEK": bytes.fromhex(v["oek"])}
    for suite in 1, 2:
        n = scpx.SUITES[suite].nonce_size
        okm = scpx.hkdf_expand(scpx.hkdf_extract(bytes.fromhex(v["oid"]), got["OEK"]), scpx.LABEL + b"body\0" + bytes([suite, 16]), 32 + n)
        got["CK suite %d" % suite], got["BN suite %d" % suite] = okm[:32], okm[32:]
    check("keys.json", got == want, "values differ: %s" % [k for k in want if got.get(k) != want[k]])
    for row in load(directory, "sizes.json"):
        plain = scpx.plain_size(row["block_len"], row["stored"])
        check("sizes.json", plain == row.get("plain"), "%r gives %r" % (row, plain))
        if plain is not None:
            check("sizes.json", scpx.sealed_size(row["block_len"], plain) == row["stored"], repr(row))


def command(directory, kept, parts):
    """The command line as a person uses it, master on standard input, key never an argument."""
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scpx_open.py")
    v, stored = kept["inputs"]["xchacha20-poly1305/512/65537"]
    state = bytes.fromhex(load(directory, "state.json")[0]["stored_hex"])
    with tempfile.TemporaryDirectory() as d:
        def path(name, content=None):
            if content is not None:
                with open(os.path.join(d, name), "wb") as f:
                    f.write(content)
            return os.path.join(d, name)

        def run(stdin, *args):
            p = subprocess.run([sys.executable, tool, *args], input=stdin, capture_output=True, check=False)
            return p.returncode, p.stdout.decode(), p.stderr.decode()

        master = v["master"].encode() + b"\n"
        obj, out, st = path("object", stored), path("out"), path("state", state)
        code, text, err = run(master, "--master-file", "-", "--state", st)
        check("command/state", code == 0 and json.loads(text)["bucket_id"] == v["bucket_id"], err)
        code, text, err = run(master, "--master-file", "-", "--state", st, "--key", v["key"], obj, "-o", out)
        check("command/open", code == 0 and open(out, "rb").read() == plain_bytes(65537) and "octet-stream" in text, err)
        code, _, err = run(master, "--master-file", "-", "--state", st, "--key", v["key"], obj, "-o", out)
        check("command/exists", code == 1 and "exists" in err, err)
        raw, out2 = path("master", bytes.fromhex(v["master"])), path("out2")
        code, _, err = run(b"", "--master-file", raw, "--bucket-id", v["bucket_id"], "--key", v["key"], obj, "-o", out2)
        check("command/raw-master", code == 0 and open(out2, "rb").read() == plain_bytes(65537), err)
        big, out3 = path("big", parts["multipart/three"]), path("out3")
        code, text, err = run(master, "--master-file", "-", "--bucket-id", v["bucket_id"], "--key", v["key"], big, "-o", out3)
        check("command/multipart", code == 0 and json.loads(text)["parts"] == 3 and open(out3, "rb").read() == plain_bytes(2 * scpx.UNIT + 100), err)
        os.unlink(big)
        os.unlink(out3)
        named = path("named", bytes.fromhex([s for s in load(directory, "state.json") if s["name"] == "state/names"][0]["stored_hex"]))
        namer = scpx.Namer(bytes.fromhex(v["bucket_id"]), bytes(range(0x60, 0x80)))
        sealed = namer.seal(v["key"])
        code, text, err = run(master, "--master-file", "-", "--state", named)
        check("command/name-key-stays-hidden", code == 0 and "name_key" not in text, text)
        code, text, err = run(master, "--master-file", "-", "--state", named, "--key", v["key"])
        check("command/seal-name", code == 0 and text.strip() == sealed, err)
        code, text, err = run(sealed.encode() + b"\n_objcryptproxy___.json\nforged\n", "--master-file", raw, "--state", named, "--names", "-")
        check("command/names", code == 1 and text == "%s\t%s\n" % (sealed, v["key"]) and "forged" in err, text + err)
        code, text, err = run(master, "--master-file", "-", "--state", named, "--stored-name", sealed, obj, "-o", out3)
        check("command/stored-name", code == 0 and open(out3, "rb").read() == plain_bytes(65537), err)
        code, _, err = run(master, "--master-file", "-", "--state", st, "--stored-name", sealed, obj, "-o", path("none"))
        check("command/names-are-plain", code == 1 and "not sealed" in err, err)
        folder = [f for f in load(directory, "folder.json") if f["name"] == "folder/metadata"][0]
        for how in (["--state", st], ["--bucket-id", v["bucket_id"]]):
            code, text, err = run(master, "--master-file", "-", *how, "--key", folder["key"], "--folder", folder["value"])
            check("command/folder", code == 0 and json.loads(text)["user"] == {"mode": "16877"}, err)
        code, text, err = run(master, "--master-file", "-", "--state", named, "--stored-name", namer.seal(folder["key"]), "--folder", folder["value"])
        check("command/folder-stored-name", code == 0 and json.loads(text)["plain_size"] == 0, err)
        code, _, err = run(master, "--master-file", "-", "--state", st, "--key", "other/", "--folder", folder["value"])
        check("command/folder-elsewhere", code == 1 and "ErrCommit" in err, err)
        os.unlink(named)
        os.unlink(out3)
        for name, content, key, want in (
                ("flipped", stored[:-1] + bytes([stored[-1] ^ 1]), v["key"], "ErrIntegrity"), ("truncated", stored[:-1], v["key"], "ErrForeign"),
                ("wrong key", stored, "other", "ErrCommit"), ("not sealed", b"hello", v["key"], "ErrNotSealed")):
            bad = path("bad", content)
            code, _, err = run(master, "--master-file", "-", "--bucket-id", v["bucket_id"], "--key", key, bad, "-o", path("none"))
            left = sorted(os.listdir(d))
            check("command/" + name, code == 1 and want in err and left == ["bad", "master", "object", "out", "out2", "state"], "%s %s" % (err, left))
        code, _, err = run(b"42\n", "--master-file", "-", "--state", st)
        check("command/bad-master", code == 1 and "42" not in err.replace("64", ""), err)
        code, _, err = run(b"", "--key", "x", obj, "-o", out)
        check("command/usage", code == 2, err)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors")
    parser.add_argument("--objects", metavar="DIR")
    args = parser.parse_args()
    # draft-irtf-cfrg-xchacha-03, section 2.2.1
    check("hchacha20", scpx.hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex()
          == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", "differs from the draft's vector")
    kept = positives(args.vectors, args.objects)
    negatives(args.vectors, kept, args.objects)
    folders(args.vectors)
    states(args.vectors, args.objects)
    copies(args.vectors, kept)
    parts = multiparts(args.vectors, args.objects)
    uploads(args.vectors)
    names(args.vectors)
    keys_and_sizes(args.vectors, kept)
    command(args.vectors, kept, parts)
    for f in failures:
        print("FAIL", f)
    print("%d passed, %d failed" % (passed, len(failures)))
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
