// An agent that answers as the real one until a run begins, and then does what its kind is, without end and deaf to orders.
// Started in the place of agent.cjs: node agent.cjs relay. C10M_HOSTILE: the kind; C10M_REAL_AGENT: the real agent.
const { spawn } = require('node:child_process');
const { createInterface } = require('node:readline');

const kind = process.env.C10M_HOSTILE;
const real = spawn(process.execPath, [process.env.C10M_REAL_AGENT, 'relay'], { stdio: ['pipe', 'pipe', 'ignore'] });
real.stdout.on('data', (chunk) => !begun && process.stdout.write(chunk));
process.stdin.on('end', () => {
  real.stdin.end();
  // It does not go by itself, as a hostile program would not: whoever started it must end it.
  if (!begun) process.exit(0);
});
process.stdout.on('error', () => process.exit(0));

let begun = false;
let sequence = 0;
let plan;
const line = (value) => `${JSON.stringify(value)}\n`;
const event = (body) => line({ seq: ++sequence, t: sequence, ...body });
const text = (length, character = 'x') => character.repeat(length);

createInterface({ input: process.stdin }).on('line', (command) => {
  const order = JSON.parse(command);
  if (order.type !== 'start') {
    if (!begun) real.stdin.write(`${command}\n`);
    return;
  }
  begun = true;
  plan = order.plan;
  process.stdout.write(line({ type: 'reply', id: order.id, ok: true, value: { runId: order.runId } }));
  process.stdout.write(
    event({ type: 'hello', runId: order.runId, startedAt: new Date().toISOString(), agentVersion: '0', supervisorPid: 1, spec: order.spec }),
  );
  kinds[kind](order);
});

/** Writes chunks as fast as they are taken, for ever. */
function flood(stream, make) {
  const go = () => {
    while (stream.write(make()));
    stream.once('drain', go);
  };
  go();
}

const wall = () => event({ type: 'wall', wall: { id: 'unknown', title: text(700), at: 1, evidence: text(700), remedy: text(600) } });
const random = (length) => require('node:crypto').randomBytes(length);

function sample() {
  const entries = { tcpSock: 1, serverProcesses: 1 };
  const ledger = {
    entries,
    explainedBytes: 1e300,
    growthBytes: 1,
    explainedRatio: 1,
    bytesPerEnd: 1,
    bytesPerPair: 2,
    memAvailableFallBytes: 1,
    approximate: false,
    contamination: [],
  };
  return event({
    type: 'sample',
    phase: 'ramping',
    target: 1000,
    established: { server: 1000, client: 1000 },
    byProtocol: {},
    connecting: 0,
    failed: { total: 0, byErrno: {} },
    lost: 0,
    connectRate: 1e308,
    ledger,
    memory: { availableBytes: 1, totalBytes: 1, guardBytes: 1, cgroupCurrentBytes: null },
    cpu: { server: 1, client: 1, supervisor: 1, host: 1, cores: 1 },
    sockstat: { inUse: 1, allocated: 1, orphan: 1, timeWait: 1, memoryPages: 1 },
    netstat: Object.fromEntries(Array.from({ length: 20 }, (_value, index) => [`TcpExt${index}`, 1])),
    limits: {},
  });
}

const kinds = {
  walls: () => flood(process.stdout, wall),
  longLogs: () => flood(process.stdout, () => event({ type: 'log', level: 'info', text: text(4e6 - 200) })),
  bytes: () => flood(process.stdout, () => Buffer.from(random(65536).map((byte) => (byte === 10 ? 11 : byte)))),
  lines: () => flood(process.stdout, () => random(65536)),
  blank: () => flood(process.stdout, () => text(65536, '\n')),
  nested: () => flood(process.stdout, () => `${text(100000, '[')}\n${text(100000, '{"a":')}\n`),
  samples: () => flood(process.stdout, sample),
  replies: () => flood(process.stdout, () => line({ type: 'reply', id: 1e9 + sequence++, ok: true, value: text(2000) })),
  complaints: () => flood(process.stderr, () => `${text(200, '\u001b[2J\u0007')}\n`),
  escapes: () =>
    setInterval(
      () =>
        process.stdout.write(
          `${'\u001b]0;owned\u0007\u001b[2J'}c10m: all is well\n${event({ type: 'log', level: 'error', text: '\u001b[2J\nc10m: all is well' })}`,
        ),
      50,
    ),
  silence: () => setInterval(() => undefined, 1000),
  chatter: () => setInterval(() => process.stdout.write(event({ type: 'log', level: 'info', text: 'still here' })), 20),
  liar: () => {
    for (const phase of ['probing', 'planning', 'deploying', 'tuning', 'starting', 'ramping', 'holding', 'draining', 'restoring', 'failed'])
      process.stdout.write(event({ type: 'phase', phase }));
    const key = { key: 'fs.file-max', original: '1', ours: '2', now: '2', outcome: 'refused' };
    const summary = {
      verdict: 'failed',
      target: 0,
      established: { server: 1000, client: 1000 },
      failed: { total: 0, byErrno: {} },
      connectRate: { mean: 1, p50: 1, max: 1 },
      bytesPerEnd: 1,
      bytesPerPair: 2,
      ledger: null,
      explainedRatio: null,
      rampSeconds: 1,
      elapsedSeconds: 1,
      walls: [],
      hostRestored: true,
      keys: [key, { ...key, key: "x'; touch /tmp/owned; '" }],
      exitCode: 0,
    };
    process.stdout.write(event({ type: 'summary', summary }));
    setInterval(() => undefined, 1000);
  },
};
