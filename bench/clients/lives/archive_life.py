"""boto3 and objects in an archive that is a fake (bench/rig/archive.go). One word says what is looked at: `store` writes,
`frozen` finds them unreadable and asks for them, `asked` finds that they were asked for, `thawed` reads and removes them.
What it reads of its environment is set by scripts_test.go and archive_test.go."""

import hashlib
import os
import pathlib
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["CLIENTS_BUCKET"]
TREE = pathlib.Path(os.environ["CLIENTS_TREE"])
MARKER = os.environ["CLIENTS_MARKER"]
HINT = os.environ["CLIENTS_HINT"] == "true"  # encryption.block_hint

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["CLIENTS_ENDPOINT"],
    config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1, "mode": "standard"}),
)
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=4)

# Key: the file it has, its class, whether it is uploaded in parts.
OBJECTS = {
    "cold/one": ("size/1m+7", "GLACIER", False),
    "cold/empty": ("size/empty", "GLACIER", False),
    "cold/edge": ("size/64k", "DEEP_ARCHIVE", False),
    "cold/parts": ("size/17m+3", "DEEP_ARCHIVE", True),
    "warm": ("size/1025", None, False),
}


def same(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got!r:.300} is not {want!r:.300}")


def refused(call, status, code):
    try:
        call()
    except ClientError as e:
        same((e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]), (status, code), str(e))
        return
    sys.exit(f"a call that must end with {code} succeeded")


def store():
    s3.create_bucket(Bucket=BUCKET)
    for key, (name, storage, several) in OBJECTS.items():
        extra = {"Metadata": {"note": MARKER}, "ContentType": "text/x-test"}
        if storage:
            extra["StorageClass"] = storage
        if several:
            s3.upload_file(str(TREE / name), BUCKET, key, Config=parts, ExtraArgs=extra)
        else:
            s3.put_object(Bucket=BUCKET, Key=key, Body=(TREE / name).read_bytes(), **extra)


def look(restore, readable):
    """HEAD, attributes and listing are exact at any time; GET is refused or whole."""
    listed = {o["Key"]: o for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    same(set(listed), set(OBJECTS), "listing")
    for key, (name, storage, several) in OBJECTS.items():
        content = (TREE / name).read_bytes()
        head = s3.head_object(Bucket=BUCKET, Key=key)
        same(head["ContentLength"], len(content), "HEAD: length of " + key)
        same(head.get("StorageClass", "STANDARD"), storage or "STANDARD", "HEAD: class of " + key)
        same(head.get("Restore", "")[:21], restore[:21] if storage else "", "HEAD: restore of " + key)
        same((listed[key]["Size"], listed[key]["StorageClass"], listed[key]["ETag"]), (len(content), storage or "STANDARD", head["ETag"]), "listing of " + key)
        attributes = s3.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=["ObjectSize", "StorageClass"])
        same((attributes["ObjectSize"], attributes["StorageClass"]), (len(content), storage or "STANDARD"), "attributes of " + key)
        # Metadata is sealed in the block: it is there if that can be read, or was kept at hand.
        shown = readable or not storage or HINT and not several
        same((head["Metadata"], head["ContentType"] == "text/x-test"), ({"note": MARKER}, True) if shown else ({}, False), "metadata of " + key)
        if readable or not storage:
            same(hashlib.sha256(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).digest(), hashlib.sha256(content).digest(), "content of " + key)
        else:
            for how in {}, {"Range": "bytes=0-0"}, {"PartNumber": 1}:
                refused(lambda: s3.get_object(Bucket=BUCKET, Key=key, **how), 403, "InvalidObjectState")
            refused(lambda: s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key}), 403, "InvalidObjectState")


def ask(key):
    return s3.restore_object(Bucket=BUCKET, Key=key, RestoreRequest={"Days": 2, "GlacierJobParameters": {"Tier": "Bulk"}})["ResponseMetadata"]["HTTPStatusCode"]


def frozen():
    look("", False)
    for key, (_, storage, _) in OBJECTS.items():
        if storage:
            same(ask(key), 202, "restore of " + key)
    refused(lambda: ask("warm"), 403, "InvalidObjectState")


def asked():
    look('ongoing-request="true"', False)
    refused(lambda: ask("cold/one"), 409, "RestoreAlreadyInProgress")


def thawed():
    look('ongoing-request="false", expiry-date=', True)
    same(ask("cold/one"), 200, "another restore")
    # What is written over it is in no archive.
    s3.put_object(Bucket=BUCKET, Key="cold/one", Body=b"new")
    same(s3.head_object(Bucket=BUCKET, Key="cold/one").get("StorageClass", "STANDARD"), "STANDARD", "the class of what is written anew")
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in OBJECTS]})
    same(answer.get("Errors"), None, "delete_objects")


{"store": store, "frozen": frozen, "asked": asked, "thawed": thawed}[sys.argv[1]]()
