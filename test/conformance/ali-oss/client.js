// Helpers of the conformance script: clients in every manner of signing, and
// what OSS says of bytes.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const OSS = require('ali-oss');

// sandbox is what the ready file of the sandbox says; the script run names it.
const sandbox = JSON.parse(fs.readFileSync(process.env.SANDBOX, 'utf8'));
const [keyId, keySecret] = process.env.SANDBOX_KEY.split(':');

// The client refuses to sign URLs for an address, and sends another Host than
// it is told to, so the endpoint has a name.
const endpoint = sandbox.oss.replace('127.0.0.1', 'localhost');

// stsKey asks the metadata service for the role's credential.
async function stsKey() {
  const header = 'X-aliyun-ecs-metadata-token';
  const ask = async (method, path, headers) => {
    const r = await fetch(sandbox.metadata + path, { method, headers });
    assert.equal(r.status, 200, `${method} ${path}`);
    return r.text();
  };
  const token = await ask('PUT', '/latest/api/token', { [`${header}-ttl-seconds`]: '60' });
  const roles = '/latest/meta-data/ram/security-credentials/';
  const role = await ask('GET', roles, { [header]: token });
  const k = JSON.parse(await ask('GET', roles + role.trim(), { [header]: token }));
  return { accessKeyId: k.AccessKeyId, accessKeySecret: k.AccessKeySecret, stsToken: k.SecurityToken };
}

function staticKey() {
  return { accessKeyId: keyId, accessKeySecret: keySecret };
}

function newClient(key, v4, more) {
  return new OSS({
    ...key,
    endpoint,
    sldEnable: true,
    secure: false,
    region: `oss-${sandbox.region}`,
    bucket: sandbox.bucket,
    authorizationV4: v4,
    // A token is not to be fetched anew within a test.
    refreshSTSToken: key.stsToken && (async () => key),
    refreshSTSTokenInterval: 3600_000,
    ...more,
  });
}

// noise returns n bytes that look random and are the same in each run.
function noise(n) {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(n);
  return crypto.createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), iv).update(Buffer.alloc(n));
}

const md5 = data => crypto.createHash('md5').update(data).digest('hex').toUpperCase();

// etag is the ETag of a single piece, multipartETag that of parts.
const etag = data => `"${md5(data)}"`;
const multipartETag = parts => `"${md5(parts.map(md5).join(''))}-${parts.length}"`;

const crcTable = Array.from({ length: 256 }, (_, i) => {
  let c = BigInt(i);
  for (let k = 0; k < 8; k++) c = c & 1n ? (c >> 1n) ^ 0xc96c5795d7870f42n : c >> 1n;
  return c;
});

// crc64 is CRC-64/ECMA, reflected, in decimal, as OSS sends it.
function crc64(data) {
  let c = 0xffffffffffffffffn;
  for (const b of data) c = crcTable[Number((c ^ BigInt(b)) & 0xffn)] ^ (c >> 8n);
  return String(c ^ 0xffffffffffffffffn);
}

// refused wants an error of the service.
async function refused(promise, status, code) {
  await assert.rejects(promise, err => {
    assert.deepEqual([err.status, err.code], [status, code], `${err.status} ${err.code}: ${err.message}`);
    assert.ok(err.requestId, 'an error without a request id');
    return true;
  });
}

module.exports = { sandbox, stsKey, staticKey, newClient, noise, etag, multipartETag, crc64, refused };
