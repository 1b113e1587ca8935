import { describeSshCases, type SshCase } from '../support/sshCases.js';

const cases: SshCase[] = [
  { name: 'ChaCha20 only', host: { sshdConfig: ['Ciphers chacha20-poly1305@openssh.com'] }, expect: 'root' },
  {
    name: 'a server that is too new is said what it offers, and not to be given an old one',
    host: { sshdConfig: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] },
    expect: 'unreachable',
    says: [
      /no key exchange in common\. The host offers: sntrup761x25519-sha512@openssh\.com\./,
      /on the host too \(KexAlgorithms in sshd_config\): curve25519-sha256/,
    ],
  },
  {
    name: 'a server that is too old: the one to add is named',
    host: { sshdConfig: ['KexAlgorithms diffie-hellman-group14-sha1'] },
    expect: 'unreachable',
    says: [/The host offers: diffie-hellman-group14-sha1\./, /old and weak\. Add to ssh_config: KexAlgorithms \+diffie-hellman-group14-sha1/],
  },
  {
    name: 'and with it added',
    host: { sshdConfig: ['KexAlgorithms diffie-hellman-group14-sha1'] },
    lines: ['KexAlgorithms +diffie-hellman-group14-sha1'],
    expect: 'root',
  },
  {
    name: 'what ssh_config leaves out',
    host: { sshdConfig: ['MACs hmac-sha2-512', 'Ciphers aes128-ctr'] },
    lines: ['MACs hmac-sha2-256'],
    expect: 'unreachable',
    says: [/no message authentication code in common/, /because ssh_config leaves it out\. Add to ssh_config: MACs \+hmac-sha2-512/],
  },
  {
    name: 'a list of which nothing can be had is not quietly another',
    lines: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'],
    expect: 'usage',
    says: [/allow nothing that C10M has/, /Not followed from ssh_config: kexalgorithms/],
  },
];

describeSshCases('algorithms', cases);
