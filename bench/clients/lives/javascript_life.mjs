// The life of the AWS SDK for JavaScript with the proxy: `live` leaves objects behind, `leave` deletes them. What it reads
// of its environment is set by scripts_test.go. The SDK's defaults are not touched: they are what is tested.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Readable } from "node:stream";

const env = process.env;
const require = createRequire(env.CLIENTS_MODULES + "/");
const S3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const Bucket = env.CLIENTS_BUCKET;
const s3 = new S3.S3Client({ endpoint: env.CLIENTS_ENDPOINT, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });
const send = (Command, input) => s3.send(new Command({ Bucket, ...input }));
const bytes = async (Key, more = {}) => Buffer.from(await (await send(S3.GetObjectCommand, { Key, ...more })).Body.transformToByteArray());
const local = (name) => path.join(env.CLIENTS_TREE, name);

const names = readdirSync(env.CLIENTS_TREE, { recursive: true, withFileTypes: true })
  .filter((e) => e.isFile())
  .map((e) => path.relative(env.CLIENTS_TREE, path.join(e.parentPath ?? e.path, e.name)));

async function refused(call, name) {
  await assert.rejects(call, (e) => e.name === name || assert.fail(`${name} expected, got ${e.name}: ${e.message}`));
}

async function wholeObjects() {
  for (const name of names) {
    const Key = "tree/" + name;
    const body = readFileSync(local(name));
    const put = await send(S3.PutObjectCommand, { Key, Body: body, Metadata: { note: env.CLIENTS_MARKER }, ContentType: "text/x-test" });
    assert.ok(put.ChecksumCRC32, "PutObject returns the checksum that is sent by default");
    const head = await send(S3.HeadObjectCommand, { Key, ChecksumMode: "ENABLED" });
    assert.equal(head.ContentLength, body.length, Key);
    assert.equal(head.ETag, put.ETag, Key);
    assert.equal(head.ChecksumCRC32, put.ChecksumCRC32, Key);
    assert.equal(head.Metadata.note, env.CLIENTS_MARKER, Key);
    // The SDK proves the checksum while it reads, if the answer has one.
    const got = await send(S3.GetObjectCommand, { Key });
    assert.equal(got.ChecksumCRC32, put.ChecksumCRC32, Key);
    assert.ok(body.equals(Buffer.from(await got.Body.transformToByteArray())), Key);
  }
}

async function checksums() {
  const name = "size/1m+7";
  const body = readFileSync(local(name));
  for (const ChecksumAlgorithm of ["CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
    const put = await send(S3.PutObjectCommand, { Key: "sum", Body: body, ChecksumAlgorithm });
    assert.ok(put["Checksum" + ChecksumAlgorithm], ChecksumAlgorithm);
    assert.ok(body.equals(await bytes("sum")), ChecksumAlgorithm);
  }
  const head = await send(S3.HeadObjectCommand, { Key: "sum", ChecksumMode: "ENABLED" });
  assert.equal(head.ChecksumSHA256, createHash("sha256").update(body).digest("base64"));
  // A stream with a declared length: its checksum comes in the trailer.
  await send(S3.PutObjectCommand, { Key: "sum", Body: createReadStream(local(name)), ContentLength: body.length });
  assert.ok(body.equals(await bytes("sum")), "stream");
  await refused(() => send(S3.PutObjectCommand, { Key: "sum", Body: "other", ChecksumSHA256: head.ChecksumSHA256 }), "BadDigest");
  assert.ok(body.equals(await bytes("sum")), "the object after a refused PUT");
}

async function transfers() {
  const name = "size/17m+3";
  const body = readFileSync(local(name));
  const options = { client: s3, partSize: 5 << 20, queueSize: 3 };
  await new Upload({ ...options, params: { Bucket, Key: "parts", Body: body, Metadata: { note: env.CLIENTS_MARKER } } }).done();
  // A stream of unknown length, in pieces that fit no part.
  const pieces = function* () {
    for (let i = 0; i < body.length; i += 777777) yield body.subarray(i, i + 777777);
  };
  await new Upload({ ...options, params: { Bucket, Key: "stream", Body: Readable.from(pieces()) } }).done();
  for (const Key of ["parts", "stream"]) assert.ok(body.equals(await bytes(Key)), Key);
  const upload = new Upload({ ...options, params: { Bucket, Key: "aborted", Body: body } });
  upload.on("httpUploadProgress", () => upload.abort());
  await refused(() => upload.done(), "AbortError");

  await send(S3.CopyObjectCommand, { Key: "copied", CopySource: `${Bucket}/parts` });
  await send(S3.CopyObjectCommand, { Key: "copies/caf\u00e9 + #1%.txt", CopySource: encodeURI(`${Bucket}/tree/plus/a+b c++.txt`).replaceAll("+", "%2B") });
  const size = body.length;
  for (const [Range, want] of [["bytes=0-0", body.subarray(0, 1)], ["bytes=5242879-5242881", body.subarray(5242879, 5242882)], ["bytes=-9", body.subarray(size - 9)]]) {
    assert.ok(want.equals(await bytes("copied", { Range })), Range);
  }
}

async function presence() {
  await refused(() => bytes("absent"), "NoSuchKey");
  await refused(() => send(S3.HeadObjectCommand, { Key: "absent" }), "NotFound");
  await refused(() => send(S3.PutObjectCommand, { Key: "sum", Body: "new", IfNoneMatch: "*" }), "PreconditionFailed");
}

async function listings() {
  const found = {};
  for await (const page of S3.paginateListObjectsV2({ client: s3, pageSize: 5 }, { Bucket, Prefix: "tree/" })) {
    for (const o of page.Contents ?? []) found[o.Key] = o.Size;
  }
  assert.deepEqual(found, Object.fromEntries(names.sort().map((n) => ["tree/" + n, readFileSync(local(n)).length])));
}

async function live() {
  await send(S3.CreateBucketCommand);
  for (const step of [wholeObjects, checksums, transfers, presence, listings]) await step();
}

async function leave() {
  const { Contents } = await send(S3.ListObjectsV2Command);
  const answer = await send(S3.DeleteObjectsCommand, { Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } });
  assert.equal(answer.Errors, undefined);
  assert.equal(answer.Deleted.length, Contents.length);
}

await { live, leave }[process.argv[2]]();
