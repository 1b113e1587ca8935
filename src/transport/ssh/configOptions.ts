/**
 * The keywords of ssh_config that C10M reads, how their values are written, and the words `ssh -G` prints for them.
 * A keyword that is not here is either in `ignoredKeywords` or reported as unknown.
 */
export type OptionKind =
  /** One word. */
  | { kind: 'word' }
  /** The rest of the line as it stands. */
  | { kind: 'command' }
  | { kind: 'number' }
  /** Seconds, written as 90 or 1m30s; `none` is a word of its own where it is allowed. */
  | { kind: 'time' }
  /** One of several words, each printed as the word it maps to. */
  | { kind: 'choice'; words: Record<string, string>; orWord?: boolean }
  /** All words of the first line that has it. */
  | { kind: 'words' }
  /** One word of each line that has it. */
  | { kind: 'collect' }
  /** All words of all lines that have it. */
  | { kind: 'collectWords' };

const yesNo: OptionKind = { kind: 'choice', words: { yes: 'yes', true: 'yes', no: 'no', false: 'no' } };
/** `ssh -G` prints the options that have a third state with `true` and `false`. */
const trueFalse: Record<string, string> = { yes: 'true', true: 'true', no: 'false', false: 'false' };
const choice = (words: string): OptionKind => ({ kind: 'choice', words: Object.fromEntries(words.split(' ').map((word) => [word, word])) });
const word: OptionKind = { kind: 'word' };
const number: OptionKind = { kind: 'number' };
const time: OptionKind = { kind: 'time' };

/** By lower-case keyword. */
export const options: Readonly<Record<string, OptionKind>> = {
  addkeystoagent: { kind: 'choice', words: { ...trueFalse, ask: 'ask', confirm: 'confirm' }, orWord: true },
  addressfamily: choice('inet inet6 any'),
  batchmode: yesNo,
  bindaddress: word,
  bindinterface: word,
  canonicalizefallbacklocal: yesNo,
  canonicalizehostname: { kind: 'choice', words: { ...trueFalse, always: 'always' } },
  canonicalizemaxdots: number,
  certificatefile: { kind: 'collect' },
  checkhostip: yesNo,
  ciphers: word,
  clearallforwardings: yesNo,
  compression: yesNo,
  connectionattempts: number,
  connecttimeout: time,
  controlmaster: { kind: 'choice', words: { ...trueFalse, auto: 'auto', ask: 'ask', autoask: 'autoask' } },
  controlpath: word,
  enableescapecommandline: yesNo,
  enablesshkeysign: yesNo,
  exitonforwardfailure: yesNo,
  fingerprinthash: { kind: 'choice', words: { sha256: 'SHA256', md5: 'MD5' } },
  forkafterauthentication: yesNo,
  forwardagent: { kind: 'choice', words: { yes: 'yes', true: 'yes', no: 'no', false: 'no' }, orWord: true },
  forwardx11: yesNo,
  forwardx11timeout: time,
  forwardx11trusted: yesNo,
  gatewayports: yesNo,
  globalknownhostsfile: { kind: 'words' },
  gssapiauthentication: yesNo,
  gssapidelegatecredentials: yesNo,
  hashknownhosts: yesNo,
  hostbasedauthentication: yesNo,
  hostkeyalgorithms: word,
  hostkeyalias: word,
  hostname: word,
  identitiesonly: yesNo,
  identityagent: word,
  identityfile: { kind: 'collect' },
  ignoreunknown: word,
  kbdinteractiveauthentication: yesNo,
  kbdinteractivedevices: word,
  kexalgorithms: word,
  knownhostscommand: { kind: 'command' },
  localcommand: { kind: 'command' },
  loglevel: {
    kind: 'choice',
    words: {
      quiet: 'QUIET',
      fatal: 'FATAL',
      error: 'ERROR',
      info: 'INFO',
      verbose: 'VERBOSE',
      debug: 'DEBUG',
      debug1: 'DEBUG',
      debug2: 'DEBUG2',
      debug3: 'DEBUG3',
    },
  },
  macs: word,
  nohostauthenticationforlocalhost: yesNo,
  numberofpasswordprompts: number,
  passwordauthentication: yesNo,
  permitlocalcommand: yesNo,
  pkcs11provider: word,
  port: number,
  preferredauthentications: word,
  proxycommand: { kind: 'command' },
  proxyjump: { kind: 'command' },
  proxyusefdpass: yesNo,
  pubkeyacceptedalgorithms: word,
  pubkeyauthentication: { kind: 'choice', words: { ...trueFalse, unbound: 'unbound', 'host-bound': 'host-bound' } },
  remotecommand: { kind: 'command' },
  requesttty: { kind: 'choice', words: { ...trueFalse, force: 'force', auto: 'auto' } },
  requiredrsasize: number,
  revokedhostkeys: word,
  sendenv: { kind: 'collectWords' },
  serveralivecountmax: number,
  serveraliveinterval: time,
  sessiontype: choice('none subsystem default'),
  setenv: { kind: 'words' },
  stdinnull: yesNo,
  streamlocalbindunlink: yesNo,
  stricthostkeychecking: {
    kind: 'choice',
    words: { yes: 'true', true: 'true', no: 'false', false: 'false', off: 'false', ask: 'ask', 'accept-new': 'accept-new' },
  },
  tag: word,
  tcpkeepalive: yesNo,
  tunnel: { kind: 'choice', words: { ...trueFalse, yes: 'point-to-point', true: 'point-to-point', 'point-to-point': 'point-to-point', ethernet: 'ethernet' } },
  updatehostkeys: { kind: 'choice', words: { ...trueFalse, ask: 'ask' } },
  user: word,
  userknownhostsfile: { kind: 'words' },
  verifyhostkeydns: { kind: 'choice', words: { ...trueFalse, ask: 'ask' } },
  visualhostkey: yesNo,
};

/** Other names of the same option. */
export const keywordAliases: Readonly<Record<string, string>> = {
  challengeresponseauthentication: 'kbdinteractiveauthentication',
  skeyauthentication: 'kbdinteractiveauthentication',
  tisauthentication: 'kbdinteractiveauthentication',
  dsaauthentication: 'pubkeyauthentication',
  hostbasedkeytypes: 'hostbasedacceptedalgorithms',
  identityfile2: 'identityfile',
  pubkeyacceptedkeytypes: 'pubkeyacceptedalgorithms',
  smartcarddevice: 'pkcs11provider',
};

/** Known to OpenSSH and of no meaning for reaching a host from C10M: forwardings, terminals, canonical domains, GSSAPI. */
export const ignoredKeywords: ReadonlySet<string> = new Set(
  `canonicaldomains canonicalizepermittedcnames casignaturealgorithms channeltimeout controlpersist dynamicforward escapechar
  forwardx11location globalknownhostsfile2 gssapiclientidentity gssapikeyexchange gssapikexalgorithms gssapirenewalforcesrekey
  gssapiserveridentity gssapitrustdns hostbasedacceptedalgorithms ipqos localforward logverbose
  obscurekeystroketiming permitremoteopen protocol rekeylimit remoteforward rhostsrsaauthentication
  rsaauthentication securitykeyprovider streamlocalbindmask syslogfacility tunneldevice useroaming userknownhostsfile2
  usekeychain useprivilegedport versionaddendum warnweakcrypto xauthlocation cipher fallbacktorsh usersh afstokenpassing
  kerberosauthentication kerberostgtpassing compressionlevel refuseconnection`.split(/\s+/),
);

/** What holds where no line says anything, as OpenSSH's `fill_default_options` has it. */
export const optionDefaults: Readonly<Record<string, string | readonly string[]>> = {
  addkeystoagent: 'false',
  addressfamily: 'any',
  batchmode: 'no',
  canonicalizefallbacklocal: 'yes',
  canonicalizehostname: 'false',
  canonicalizemaxdots: '1',
  checkhostip: 'no',
  clearallforwardings: 'no',
  compression: 'no',
  connectionattempts: '1',
  connecttimeout: 'none',
  controlmaster: 'false',
  enableescapecommandline: 'no',
  enablesshkeysign: 'no',
  exitonforwardfailure: 'no',
  fingerprinthash: 'SHA256',
  forkafterauthentication: 'no',
  forwardagent: 'no',
  forwardx11: 'no',
  forwardx11timeout: '1200',
  gatewayports: 'no',
  globalknownhostsfile: ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
  gssapiauthentication: 'no',
  gssapidelegatecredentials: 'no',
  hashknownhosts: 'no',
  hostbasedauthentication: 'no',
  identitiesonly: 'no',
  identityfile: ['~/.ssh/id_rsa', '~/.ssh/id_ecdsa', '~/.ssh/id_ecdsa_sk', '~/.ssh/id_ed25519', '~/.ssh/id_ed25519_sk', '~/.ssh/id_xmss', '~/.ssh/id_dsa'],
  kbdinteractiveauthentication: 'yes',
  loglevel: 'INFO',
  nohostauthenticationforlocalhost: 'no',
  numberofpasswordprompts: '3',
  passwordauthentication: 'yes',
  permitlocalcommand: 'no',
  port: '22',
  proxyusefdpass: 'no',
  pubkeyauthentication: 'true',
  requesttty: 'auto',
  requiredrsasize: '1024',
  serveralivecountmax: '3',
  serveraliveinterval: '0',
  sessiontype: 'default',
  stdinnull: 'no',
  streamlocalbindunlink: 'no',
  stricthostkeychecking: 'ask',
  tcpkeepalive: 'yes',
  tunnel: 'false',
  userknownhostsfile: ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'],
  verifyhostkeydns: 'false',
  visualhostkey: 'no',
};

/** Seconds of `90`, `1m30s`, `2h`, as OpenSSH's `convtime`; undefined for anything else. */
export function parseTime(text: string): number | undefined {
  // Each digit belongs to one number in one way only: a text of thousands of them is judged at once.
  if (text === '' || !/^(?:\d+[smhdw])*\d*$/i.test(text)) return undefined;
  const seconds: Record<string, number> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw]?)/gi)) total += Number(count) * seconds[unit!.toLowerCase()]!;
  return total <= 2_147_483_647 ? total : undefined;
}
