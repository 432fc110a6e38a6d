"""The life of boto3 with the proxy: `live` leaves objects behind, `leave` deletes them. What it reads of its environment
is set by boto3_life's caller, scripts_test.go."""

import base64
import hashlib
import io
import os
import pathlib
import sys
import urllib.error
import urllib.request
import ssl
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["CLIENTS_BUCKET"]
TREE = pathlib.Path(os.environ["CLIENTS_TREE"])
MARKER = os.environ["CLIENTS_MARKER"]
HOME = pathlib.Path(os.environ["CLIENTS_HOME"])

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["CLIENTS_ENDPOINT"],
    config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1, "mode": "standard"}),
)
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=4)


def same(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r:.300} is not {want!r:.300}")


def refused(call, *codes):
    try:
        call()
    except ClientError as e:
        same(e.response["Error"]["Code"] in codes, True, f"{codes} expected, got {e}")
        return
    sys.exit(f"a call that must end with {codes} succeeded")


def read(**of):
    return s3.get_object(Bucket=BUCKET, **of)["Body"].read()


def tree():
    for path in sorted(TREE.rglob("*")):
        if path.is_file():
            yield path.relative_to(TREE).as_posix(), path.read_bytes()


def whole_objects():
    for name, content in tree():
        key = "tree/" + name
        put = s3.put_object(Bucket=BUCKET, Key=key, Body=content, Metadata={"note": MARKER}, ContentType="text/x-test", CacheControl="no-cache")
        head = s3.head_object(Bucket=BUCKET, Key=key)
        same(head["ContentLength"], len(content), "length of " + key)
        same((head["Metadata"], head["ContentType"], head["CacheControl"]), ({"note": MARKER}, "text/x-test", "no-cache"), "headers of " + key)
        same(head["ETag"], put["ETag"], "ETag of " + key)
        same(read(Key=key), content, "content of " + key)


def ranges_and_conditions():
    content = (TREE / "size/1m+7").read_bytes()
    key = "tree/size/1m+7"
    n = len(content)
    for spec, want in [
        ("bytes=0-0", content[:1]),
        ("bytes=65535-65536", content[65535:65537]),
        ("bytes=1000000-", content[1000000:]),
        ("bytes=-5", content[-5:]),
        (f"bytes=0-{n + 100}", content),
    ]:
        r = s3.get_object(Bucket=BUCKET, Key=key, Range=spec)
        same(r["ResponseMetadata"]["HTTPStatusCode"], 206, spec)
        same(r["Body"].read(), want, spec)
    refused(lambda: read(Key=key, Range=f"bytes={n}-"), "InvalidRange")
    etag = s3.head_object(Bucket=BUCKET, Key=key)["ETag"]
    same(read(Key=key, IfMatch=etag), content, "If-Match")
    refused(lambda: read(Key=key, IfMatch='"0123"'), "PreconditionFailed", "412")
    refused(lambda: read(Key=key, IfNoneMatch=etag), "304")
    refused(lambda: read(Key="absent"), "NoSuchKey")
    refused(lambda: s3.head_object(Bucket=BUCKET, Key="absent"), "404")


def transfers():
    local, back = str(TREE / "size/17m+3"), str(HOME / "back")
    s3.upload_file(local, BUCKET, "parts", Config=parts, ExtraArgs={"Metadata": {"note": MARKER}})
    s3.download_file(BUCKET, "parts", back, Config=parts)
    same(pathlib.Path(back).read_bytes() == pathlib.Path(local).read_bytes(), True, "download_file")
    # A stream that cannot seek, of a length nobody knows.
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as w, open(local, "rb") as f:
            w.write(f.read())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as r:
        s3.upload_fileobj(r, BUCKET, "stream", Config=parts)
    os.wait()
    s3.copy({"Bucket": BUCKET, "Key": "parts"}, BUCKET, "copied", Config=parts)
    same(s3.head_object(Bucket=BUCKET, Key="copied")["ContentLength"], os.path.getsize(local), "length of the copy")
    s3.copy_object(Bucket=BUCKET, Key="copies/caf\u00e9 + #1%.txt", CopySource={"Bucket": BUCKET, "Key": "tree/plus/a+b c++.txt"})
    same(s3.head_object(Bucket=BUCKET, Key="copies/caf\u00e9 + #1%.txt")["Metadata"], {"note": MARKER}, "metadata of the copy")


def checksums():
    content = (TREE / "size/1m+7").read_bytes()
    wanted = {
        "CRC32": base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode(),
        "SHA1": base64.b64encode(hashlib.sha1(content).digest()).decode(),
        "SHA256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
    }
    for algorithm, value in wanted.items():
        put = s3.put_object(Bucket=BUCKET, Key="sum", Body=io.BytesIO(content), ChecksumAlgorithm=algorithm)
        field = "Checksum" + algorithm
        same(put[field], value, "PUT " + field)
        same(s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")[field], value, "HEAD " + field)
        same(read(Key="sum", ChecksumMode="ENABLED"), content, algorithm)
    # A wrong one leaves the old object in its place.
    refused(lambda: s3.put_object(Bucket=BUCKET, Key="sum", Body=b"other", ChecksumSHA256=wanted["SHA256"]), "BadDigest", "XAmzContentChecksumMismatch", "InvalidRequest")
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    refused(lambda: s3.put_object(Bucket=BUCKET, Key="sum", Body=b"other", ContentMD5=md5), "BadDigest")
    same(read(Key="sum"), content, "the object after a refused PUT")


def presigned():
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])

    def fetch(url, method="GET", body=None, headers={}):
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method, headers=headers), context=context) as r:
            return r.status, r.read()

    key = "tree/plus/a+b c++.txt"
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, 60)
    same(fetch(url), (200, (TREE / "plus/a+b c++.txt").read_bytes()), "presigned GET")
    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "presigned"}, 60)
    same(fetch(url, "PUT", MARKER.encode())[0], 200, "presigned PUT")
    same(read(Key="presigned"), MARKER.encode(), "what a presigned PUT stored")
    s3.delete_object(Bucket=BUCKET, Key="presigned")
    try:
        fetch(url.replace("presigned?", "other?"), "PUT", b"x")
        sys.exit("a presigned URL served another key")
    except urllib.error.HTTPError as e:
        same(e.code, 403, "a presigned URL of another key")


def listings():
    want = {"tree/" + name: len(content) for name, content in tree()}
    for operation in "list_objects_v2", "list_objects":
        found = {}
        for page in s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="tree/", PaginationConfig={"PageSize": 5}):
            found.update({o["Key"]: o["Size"] for o in page.get("Contents", [])})
        same(found, want, operation)
    page = s3.list_objects_v2(Bucket=BUCKET, Prefix="tree/", Delimiter="/")
    same([p["Prefix"] for p in page["CommonPrefixes"]], sorted({"tree/" + k.split("/")[1] + "/" for k in want}), "common prefixes")


def live():
    s3.create_bucket(Bucket=BUCKET)
    for step in whole_objects, ranges_and_conditions, transfers, checksums, presigned, listings:
        step()


def leave():
    keys = [{"Key": o["Key"]} for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for o in page["Contents"]]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys + [{"Key": "never there & <gone>"}]})
    same(answer.get("Errors"), None, "delete_objects")
    same(len(answer["Deleted"]), len(keys) + 1, "deleted objects")


{"live": live, "leave": leave}[sys.argv[1]]()
