// Tries the sandbox with npm's ali-oss. The script "run" starts both.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Readable } = require('node:stream');
const { test } = require('node:test');
const { sandbox, stsKey, staticKey, newClient, noise, etag, multipartETag, crc64, refused } = require('./client');

// each runs a test with every manner of signing and each kind of key, under a
// prefix of its own that is emptied afterwards.
function each(name, run) {
  for (const v4 of [false, true]) {
    for (const sts of [false, true]) {
      const title = `${name} ${v4 ? 'V4' : 'V1'} ${sts ? 'sts' : 'static'}`;
      test(title, async () => {
        const c = newClient(sts ? await stsKey() : staticKey(), v4);
        const prefix = `${title}/`;
        try {
          await run(c, prefix, v4);
        } finally {
          const left = await c.listV2({ prefix, 'max-keys': 1000 });
          for (const o of left.objects) await c.delete(o.name);
        }
      });
    }
  }
}

// same wants an object to be data, byte by byte.
async function same(c, name, data) {
  const r = await c.get(name);
  assert.equal(r.res.status, 200);
  assert.ok(Buffer.compare(r.content, data) === 0, `${name}: ${r.content.length} bytes are not the ${data.length} put`);
  assert.equal(r.res.headers['x-oss-hash-crc64ecma'], crc64(data));
  return r;
}

const names = ['plain', 'a b', 'a+b', '100%', 'a//b', 'q?a=b&c#d', 'ünïcödé/日本語', "~!@$^*()_-=[]{}|;:',<>"];

each('put and get', async (c, p) => {
  for (const n of names) {
    for (const size of [0, 1, 4097]) {
      const data = noise(size);
      const r = await c.put(p + n, data, { mime: 'text/x-test', meta: { one: '1', two: 'a b' } });
      assert.equal(r.res.headers.etag, etag(data));
      assert.equal(r.res.headers['x-oss-hash-crc64ecma'], crc64(data));
      const g = await same(c, p + n, data);
      assert.equal(g.res.headers['content-type'], 'text/x-test');
      const h = await c.head(p + n);
      assert.deepEqual(h.meta, { one: '1', two: 'a b' });
      assert.equal(h.res.headers['content-length'], String(size));
      assert.equal(h.res.headers.etag, etag(data));
    }
  }
});

each('streams and files', async (c, p) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ali-oss-'));
  try {
    const data = noise(700_001);
    const file = path.join(dir, 'file');
    fs.writeFileSync(file, data);
    await c.put(`${p}file`, file);
    await same(c, `${p}file`, data);
    await c.putStream(`${p}stream`, Readable.from([data.subarray(0, 1000), data.subarray(1000)]));
    await same(c, `${p}stream`, data);
    const back = path.join(dir, 'back');
    await c.get(`${p}stream`, back);
    assert.ok(fs.readFileSync(back).equals(data));
    const s = await c.getStream(`${p}file`, { headers: { Range: 'bytes=10-19' } });
    assert.equal(s.res.status, 206);
    const chunks = [];
    for await (const chunk of s.stream) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(data.subarray(10, 20)));
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
});

each('multipart upload', async (c, p) => {
  const partSize = 100 * 1024;
  const data = noise(3 * partSize + 17);
  const parts = [0, 1, 2, 3].map(i => data.subarray(i * partSize, (i + 1) * partSize));
  const r = await c.multipartUpload(`${p}m 日`, data, { partSize, parallel: 3, mime: 'text/x-m', meta: { m: '1' } });
  assert.equal(r.res.status, 200);
  assert.equal(r.etag, multipartETag(parts));
  const g = await same(c, `${p}m 日`, data);
  assert.equal(g.res.headers['content-type'], 'text/x-m');
  assert.equal(g.res.headers['x-oss-meta-m'], '1');
  assert.equal(g.res.headers['x-oss-object-type'], 'Multipart');
  await c.multipartUpload(`${p}small`, noise(10), {});
  await same(c, `${p}small`, noise(10));
  await c.multipartUploadCopy(`${p}copy`, { sourceKey: `${p}m 日`, sourceBucketName: sandbox.bucket }, { partSize, parallel: 2 });
  await same(c, `${p}copy`, data);
});

each('multipart by hand', async (c, p) => {
  const data = noise(100 * 1024 + 5);
  const { uploadId } = await c.initMultipartUpload(`${p}h`);
  const file = path.join(os.tmpdir(), `ali-oss-part-${process.pid}`);
  fs.writeFileSync(file, data);
  try {
    const one = await c.uploadPart(`${p}h`, uploadId, 1, file, 0, 100 * 1024);
    const two = await c.uploadPart(`${p}h`, uploadId, 2, file, 100 * 1024, data.length);
    assert.equal(one.etag, etag(data.subarray(0, 100 * 1024)));
    const l = await c.listParts(`${p}h`, uploadId);
    assert.deepEqual(l.parts.map(x => [x.PartNumber, x.Size]), [['1', '102400'], ['2', '5']]);
    const u = await c.listUploads({ prefix: p, 'max-uploads': 10 });
    assert.deepEqual(u.uploads.map(x => [x.name, x.uploadId]), [[`${p}h`, uploadId]]);
    await refused(
      c.completeMultipartUpload(`${p}h`, uploadId, [{ number: 1, etag: two.etag }, { number: 2, etag: one.etag }]),
      400, 'InvalidPart',
    );
    await c.completeMultipartUpload(`${p}h`, uploadId, [{ number: 1, etag: one.etag }, { number: 2, etag: two.etag }]);
    await same(c, `${p}h`, data);
    const gone = await c.initMultipartUpload(`${p}gone`);
    const a = await c.abortMultipartUpload(`${p}gone`, gone.uploadId);
    assert.equal(a.res.status, 204);
    await refused(c.uploadPart(`${p}gone`, gone.uploadId, 1, file, 0, 5), 404, 'NoSuchUpload');
  } finally {
    fs.rmSync(file);
  }
});

each('list', async (c, p) => {
  const keys = ['a', 'a b', 'a+b', 'dir/1', 'dir/2', 'dir/sub/3', 'dir2/4', 'x&<>', 'é', '日'];
  for (const k of keys) await c.put(p + k, Buffer.from(k));
  for (const size of [1, 3, 100]) {
    const v1 = [];
    for (let marker, more = true; more;) {
      // For V4 the client signs an empty marker as "marker=", not "marker".
      const r = await c.list({ prefix: p, ...(marker && { marker }), 'max-keys': size });
      v1.push(...r.objects.map(o => o.name.slice(p.length)));
      more = r.isTruncated;
      marker = r.nextMarker;
    }
    assert.deepEqual(v1, keys);
    const v2 = [];
    for (let token, more = true; more;) {
      const r = await c.listV2({ prefix: p, 'continuation-token': token, 'max-keys': size });
      v2.push(...r.objects.map(o => o.name.slice(p.length)));
      assert.equal(r.keyCount, r.objects.length);
      more = r.isTruncated;
      token = r.nextContinuationToken;
    }
    assert.deepEqual(v2, keys);
  }
  const r = await c.list({ prefix: p, delimiter: '/', marker: `${p}a b` });
  assert.deepEqual(r.objects.map(o => o.name), ['a+b', 'x&<>', 'é', '日'].map(k => p + k));
  assert.deepEqual(r.prefixes, [`${p}dir/`, `${p}dir2/`]);
  assert.deepEqual([r.objects[0].etag, r.objects[0].size, r.objects[0].type], [etag('a+b'), 3, 'Normal']);
  const e = await c.listV2({ prefix: p, 'encoding-type': 'url', 'fetch-owner': 'true', 'start-after': `${p}é` });
  assert.deepEqual(e.objects.map(o => decodeURIComponent(o.name)), [`${p}日`]);
  assert.ok(e.objects[0].owner.id);
});

each('copy', async (c, p) => {
  const data = noise(2000);
  await c.put(`${p}from +日`, data, { meta: { a: '1' }, mime: 'text/x-a' });
  const r = await c.copy(`${p}to`, `${p}from +日`);
  assert.equal(r.data.etag, etag(data));
  assert.equal((await same(c, `${p}to`, data)).res.headers['x-oss-meta-a'], '1');
  await c.copy(`${p}to`, `${p}to`, { meta: { b: '2' }, headers: { 'Content-Type': 'text/x-b' } });
  const g = await same(c, `${p}to`, data);
  assert.deepEqual(
    ['x-oss-meta-a', 'x-oss-meta-b', 'content-type'].map(h => g.res.headers[h]),
    [undefined, '2', 'text/x-b'],
  );
  await refused(c.copy(`${p}to`, `${p}nothing`), 404, 'NoSuchKey');
  await refused(c.copy(`${p}to`, `${p}from +日`, { headers: { 'If-Match': etag('') } }), 412, 'PreconditionFailed');
});

each('delete', async (c, p) => {
  const keys = ['a', 'b c', '<&>', '日'].map(k => p + k);
  for (const k of keys) await c.put(k, Buffer.from(k));
  const r = await c.deleteMulti([...keys, `${p}never was`]);
  assert.deepEqual(r.deleted.map(d => d.Key), [...keys, `${p}never was`]);
  for (const k of keys) await refused(c.get(k), 404, 'NoSuchKey');
  for (const k of keys) await c.put(k, Buffer.from(k));
  assert.deepEqual((await c.deleteMulti(keys, { quiet: true })).deleted, []);
  for (const k of keys) await refused(c.head(k), 404, 'NoSuchKey');
  assert.equal((await c.delete(keys[0])).res.status, 204);
});

each('signed URLs', async (c, p, v4) => {
  const data = noise(3000);
  const name = `${p}s +日`;
  const headers = { 'Content-Type': 'text/x-s' };
  const put = v4
    ? await c.signatureUrlV4('PUT', 60, { headers }, name)
    : c.signatureUrl(name, { method: 'PUT', expires: 60, 'Content-Type': 'text/x-s' });
  const answer = await fetch(put, { method: 'PUT', body: data, headers });
  assert.equal(answer.status, 200, await answer.text());
  await same(c, name, data);
  const get = v4
    ? await c.signatureUrlV4('GET', 60, { queries: { 'response-content-type': 'text/x-q' } }, name)
    : c.signatureUrl(name, { expires: 60, response: { 'content-type': 'text/x-q' } });
  const r = await fetch(get);
  assert.equal(r.status, 200);
  assert.equal(r.headers.get('content-type'), 'text/x-q');
  assert.ok(Buffer.from(await r.arrayBuffer()).equals(data));
  const wrong = get.replace(/([Ss]ignature=)(.)/, (_, before, first) => before + (first === '0' ? '1' : '0'));
  assert.notEqual(wrong, get);
  const refusal = await fetch(wrong);
  assert.equal(refusal.status, 403);
  assert.match(await refusal.text(), /<Code>SignatureDoesNotMatch<\/Code>/);
});

each('append, tags, ACL, symlink', async (c, p) => {
  const data = noise(5000);
  const first = await c.append(`${p}a`, data.subarray(0, 1234));
  assert.equal(first.nextAppendPosition, '1234');
  await c.append(`${p}a`, data.subarray(1234), { position: 1234 });
  assert.equal((await same(c, `${p}a`, data)).res.headers['x-oss-object-type'], 'Appendable');
  await refused(c.append(`${p}a`, data, { position: 1 }), 409, 'PositionNotEqualToLength');

  await c.put(`${p}t`, data);
  await c.putObjectTagging(`${p}t`, { owner: 'a+b', two: 'x y' });
  assert.deepEqual((await c.getObjectTagging(`${p}t`)).tag, { owner: 'a+b', two: 'x y' });
  await c.deleteObjectTagging(`${p}t`);
  assert.deepEqual((await c.getObjectTagging(`${p}t`)).tag, {});
  await c.putACL(`${p}t`, 'public-read');
  assert.equal((await c.getACL(`${p}t`)).acl, 'public-read');
  await c.putMeta(`${p}t`, { k: 'v' });
  assert.deepEqual((await c.head(`${p}t`)).meta, { k: 'v' });
  await c.putSymlink(`${p}link`, `${p}t`, { storageClass: 'Standard' });
  assert.equal((await c.getSymlink(`${p}link`)).targetName, `${p}t`);
  await same(c, `${p}link`, data);
  const meta = await c.getObjectMeta(`${p}t`);
  assert.equal(meta.res.headers['content-length'], '5000');
});

each('conditions', async (c, p) => {
  const data = noise(10);
  await c.put(`${p}c`, data);
  await refused(c.put(`${p}c`, data, { headers: { 'x-oss-forbid-overwrite': 'true' } }), 409, 'FileAlreadyExists');
  await refused(c.put(`${p}d`, data, { headers: { 'Content-MD5': '1B2M2Y8AsgTpgAmY7PhCfg==' } }), 400, 'InvalidDigest');
  await refused(c.get(`${p}c`, { headers: { 'If-Match': etag('') } }), 412, 'PreconditionFailed');
  assert.equal((await c.head(`${p}c`, { headers: { 'If-None-Match': etag(data) } })).status, 304);
  await refused(c.put('k'.repeat(1024), data), 400, 'InvalidObjectName');
  await refused(c.useBucket('no-such-bucket').put('x', data), 404, 'NoSuchBucket');
  c.useBucket(sandbox.bucket);
});

each('buckets', async c => {
  const { buckets } = await c.listBuckets({ prefix: sandbox.bucket });
  assert.ok(buckets.some(b => b.name === sandbox.bucket && b.region === `oss-${sandbox.region}`));
  const info = await c.getBucketInfo(sandbox.bucket);
  assert.equal(info.bucket.Name, sandbox.bucket);
  const name = `ali-oss-${process.pid}`;
  await c.putBucket(name);
  await c.deleteBucket(name);
  await refused(c.getBucketInfo(name), 404, 'NoSuchBucket');
});

test('credentials', async () => {
  const fixed = staticKey();
  const sts = await stsKey();
  for (const v4 of [false, true]) {
    for (const [key, code] of [
      [{ accessKeyId: 'nobody', accessKeySecret: 'secret' }, 'InvalidAccessKeyId'],
      [{ ...fixed, accessKeySecret: `${fixed.accessKeySecret}x` }, 'SignatureDoesNotMatch'],
      [{ ...sts, accessKeySecret: `${sts.accessKeySecret}x` }, 'SignatureDoesNotMatch'],
      [{ ...sts, stsToken: undefined }, 'InvalidAccessKeyId'],
      [{ ...sts, stsToken: sts.stsToken.toLowerCase() }, 'InvalidSecurityToken'],
    ]) {
      await refused(newClient(key, v4).put('credentials', Buffer.from('x')), 403, code);
    }
  }
});
