import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePortList, portList, raiseOnly, sameValue, sysctlDefinitions } from '../../src/core/plan/sysctls.js';

describe('raiseOnly', () => {
  const cases: [string, string, string, string | undefined][] = [
    ['fs.file-max', '100', '200', '200'],
    ['fs.file-max', '200', '100', undefined],
    ['fs.file-max', '9223372036854775807', '300000', undefined],
    ['net.ipv4.ip_local_port_range', '32768\t60999', '1024 65535', '1024 65535'],
    ['net.ipv4.ip_local_port_range', '1024\t65535', '10000 60000', undefined],
    ['net.ipv4.ip_local_port_range', '500\t60000', '1024 65534', '500 65533'],
    ['net.ipv4.ip_local_reserved_ports', '', '8001-8002', '8001-8002'],
    ['net.ipv4.ip_local_reserved_ports', '22,8002', '8001-8002', '22,8001-8002'],
    ['net.ipv4.ip_local_reserved_ports', '8000-9000', '8001-8002', undefined],
    ['net.ipv4.tcp_mem', '1\t2\t30', '10 20 25', '10 20 30'],
    ['net.ipv4.tcp_mem', 'garbage', '10 20 25', undefined],
  ];
  for (const [key, current, target, expected] of cases)
    it(`${key}: ${JSON.stringify(current)} to ${target} writes ${expected ?? 'nothing'}`, () => assert.equal(raiseOnly(key, current, target), expected));
});

it('sameValue ignores what the kernel writes differently', () => {
  assert.ok(sameValue('net.ipv4.ip_local_port_range', '1024 65535', '1024\t65535\n'));
  assert.ok(sameValue('net.ipv4.ip_local_reserved_ports', '8001,8002,8003', '8001-8003'));
  assert.ok(!sameValue('fs.file-max', '100', '1000'));
});

it('port lists survive a round trip and ignore what is no port', () => {
  assert.deepEqual(parsePortList('22, 8001-8003,x,70000'), [22, 8001, 8002, 8003]);
  assert.equal(portList([8003, 22, 8001, 8002, 8002]), '22,8001-8003');
});

it('every key has a reason, is defined once, and is written in the order that the kernel needs', () => {
  const keys = sysctlDefinitions.map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(sysctlDefinitions.every(({ reason }) => reason.length > 10));
  assert.equal(keys[0], 'fs.nr_open', 'nr_open before any limit of a process');
});
