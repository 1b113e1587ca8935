import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { makeRunCertificate } from '../../src/agent/runCertificate.js';
import { LogHistogram } from '../../src/core/figures/logHistogram.js';
import { computeLedger } from '../../src/core/figures/ledger.js';
import { planRun } from '../../src/core/plan/plan.js';
import { tlsBytesPerWorker } from '../../src/core/plan/tlsPlan.js';
import { specFromInput } from '../../src/core/profile.js';
import { failureOfNodeError, failureOfReason, looksLikeTls, tlsFailureOf, tlsFailures } from '../../src/core/walls/tlsFailures.js';
import { hostFacts } from './builders/hostFacts.js';

test('the certificate of a run is what OpenSSL takes for one', () => {
  for (const keyType of ['ecdsa', 'rsa2048'] as const) {
    const { certificate, key } = makeRunCertificate(keyType, ['host.example', '192.0.2.7', '2001:db8::7:1']);
    const parsed = new X509Certificate(certificate);
    assert.ok(parsed.verify(parsed.publicKey) && parsed.checkPrivateKey(createPrivateKey(key)), keyType);
    assert.deepEqual(
      [parsed.checkHost('host.example'), parsed.checkHost('other.example'), parsed.checkIP('192.0.2.7'), parsed.checkIP('2001:db8::7:1')],
      ['host.example', undefined, '192.0.2.7', '2001:db8::7:1'],
    );
    assert.ok(Date.parse(parsed.validFrom) < Date.now() - 3_600_000 && Date.parse(parsed.validTo) > Date.now() + 7 * 86_400_000);
    const other = makeRunCertificate(keyType, ['host.example']);
    assert.notEqual(new X509Certificate(other.certificate).serialNumber, parsed.serialNumber);
  }
});

test('every failure has a sentence and a remedy, and no other name has one', () => {
  for (const [name, { text, remedy }] of Object.entries(tlsFailures)) {
    assert.match(name, /^tls\./);
    assert.doesNotMatch(text, /\.$/);
    assert.match(remedy, /\.$/);
  }
  assert.equal(tlsFailureOf('ECONNRESET'), undefined);
  assert.equal(tlsFailureOf('toString'), undefined);
  assert.equal(tlsFailureOf('tls.of.a.newer.version'), tlsFailures['tls.protocol']);
});

const reasons: [reason: number, verifyResult: number, name: string][] = [
  [134, 10, 'tls.certificate.expired'],
  [134, 62, 'tls.certificate.wrongName'],
  [134, 999, 'tls.certificate.refused'],
  [1040, 0, 'tls.alert.handshakeFailure'],
  [1070, 0, 'tls.version'],
  [1116, 0, 'tls.alert.certificateRequired'],
  [1199, 0, 'tls.alert.other'],
  [267, 0, 'tls.plain'],
  [294, 0, 'tls.closed'],
  [1, 0, 'tls.protocol'],
];
for (const [reason, verifyResult, name] of reasons) {
  test(`OpenSSL's reason ${reason}, certificate ${verifyResult}: ${name}`, () => assert.equal(failureOfReason(reason, verifyResult), name));
}

const nodeCodes: [code: string | undefined, name: string][] = [
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'tls.timeout'],
  ['ECONNRESET', 'tls.closed'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'tls.version'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls.version'],
  ['ERR_SSL_HTTP_REQUEST', 'tls.plain'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls.plain'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'tls.alert.handshakeFailure'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tls.alert.unknownIssuer'],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'tls.alert.certificate'],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'tls.alert.certificate'],
  ['ERR_SSL_TLSV1_ALERT_NO_RENEGOTIATION', 'tls.alert.other'],
  ['ERR_SSL_DECRYPTION_FAILED', 'tls.protocol'],
  [undefined, 'tls.protocol'],
];
for (const [code, name] of nodeCodes) test(`Node's ${code}: ${name}`, () => assert.equal(failureOfNodeError(code), name));

test('the answer of a server with TLS to a plain connection is known from all others', () => {
  const is = (text: string) => looksLikeTls(Buffer.from(text, 'latin1'), text.length);
  assert.ok(is('\x15\x03\x03\x00\x02\x02\x0a'));
  assert.ok(is('HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\nThe plain HTTP request was sent to HTTPS port'));
  for (const text of [
    '',
    '\x15',
    '\x15\x03\x03\x00\x03\x02\x0a\x00',
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols',
    'xxxxxxxxxxxxxxx',
  ])
    assert.equal(is(text), false, JSON.stringify(text));
});

test('a histogram of many workers is the sum of theirs, within 3 %', () => {
  const parts = [new LogHistogram(), new LogHistogram()];
  const values = Array.from({ length: 10_000 }, (_, index) => 50 + index * 7);
  values.forEach((value, index) => parts[index % 2]!.record(value));
  const all = new LogHistogram();
  for (const part of parts) all.add(part.sparse());
  assert.equal(all.count, values.length);
  for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
    const exact = values[Math.ceil(share * values.length) - 1]!;
    assert.ok(Math.abs(all.quantile(share) / exact - 1) < 0.03, `${share}: ${all.quantile(share)} for ${exact}`);
  }
  all.add([-1, 5, 1e9, 5, 0.5, 5]);
  assert.equal(all.count, values.length, 'what a hostile host sends is left out');
});

test('the plan adds the price of TLS, frees sessions when nothing else fits, and says so', () => {
  const plan = (input: Record<string, unknown>) => planRun(specFromInput(input), hostFacts());
  const [plain, tls, parked] = [plan({ connections: 100_000 }), plan({ connections: 100_000, tls: true }), plan({ connections: 100_000, tls: { park: true } })];
  assert.equal(plain.tls, undefined);
  const added = tls.predicted.totalBytes - plain.predicted.totalBytes;
  const workers = tls.serverWorkers.length + tls.clientWorkers.length;
  assert.equal(Math.round(added), 100_000 * (tls.tls!.serverBytes! + tls.tls!.clientBytes!) + workers * tlsBytesPerWorker(specFromInput({ tls: true })));
  assert.equal(tlsBytesPerWorker(specFromInput({})), 0);
  assert.ok(parked.predicted.totalBytes < tls.predicted.totalBytes - 15_000 * 100_000);
  assert.equal(tls.tls?.park, false);
  const [many, busy, most] = [
    plan({ connections: 700_000, tls: true }),
    plan({ connections: 700_000, tls: true, traffic: '64/10s' }),
    plan({ connections: 'max', tls: true }),
  ];
  assert.deepEqual([many.tls?.park, busy.tls?.park, most.tls?.park], [true, false, false]);
  assert.equal(many.connections, 700_000);
  assert.ok(busy.connections < 700_000);
  assert.ok(many.notes.some((note) => note.includes('--tls-park')));
  assert.ok(plan({ connections: 1_000, tls: { insecure: true } }).notes.some((note) => note.includes('--tls-insecure')));
  const own = plan({ connections: 1_000, tls: true, engine: 'command', command: 'x' });
  assert.deepEqual([own.tls?.verification, own.tls?.serverBytes], ['system', null]);
});

test('a Node without OpenSSL is refused before anything is started', () => {
  const facts = hostFacts({ overrides: { tls: { openSsl: null, missing: ['SSL_new'], arithmeticMicroseconds: 300 } } });
  assert.throws(() => planRun(specFromInput({ tls: true }), facts), /exports no OpenSSL.*SSL_new/);
  assert.doesNotThrow(() => planRun(specFromInput({}), facts));
});

test('sessions of TLS are lines of their own in the ledger, and no byte is counted twice', () => {
  const reading = {
    slab: null,
    pageBytes: 4_096,
    slabAliases: {},
    programBytes: 0,
    kernelStackBytes: 0,
    meminfo: { MemAvailable: 10e9 },
    perCpuFreeBytes: 0,
    processes: { server: 300e6, client: 400e6, supervisor: 0 },
    fileTableBytes: 0,
    pageTableBytes: 0,
    sockstatMemoryPages: 0,
    tcpAllocated: 0,
  };
  const plain = computeLedger(reading, reading, { server: 1, client: 1 });
  const secure = computeLedger(reading, { ...reading, tls: { server: 140e6, client: 500e6 } }, { server: 1, client: 1 });
  assert.deepEqual(
    [secure.entries['serverTls'], secure.entries['serverProcesses'], secure.entries['clientTls'], secure.entries['clientProcesses']],
    [140e6, 160e6, 400e6, 0],
  );
  assert.equal(secure.explainedBytes, plain.explainedBytes);
});
