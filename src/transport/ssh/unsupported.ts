import { missingAlgorithms } from './algorithms.js';
import { optionDefaults } from './configOptions.js';

/** An option of ssh_config that holds for a host and that C10M does not follow. */
export interface UnsupportedOption {
  /** In lower case, as `ssh -G` prints it. */
  option: string;
  value: string;
  reason: string;
  /** Whether it decides how the host is reached or who may log in; the others only matter to a terminal. */
  affectsLogin: boolean;
}

/** Followed as OpenSSH does, or by what they stand for. */
export const followedOptions: ReadonlySet<string> = new Set(
  `addressfamily batchmode bindaddress certificatefile compression connectionattempts connecttimeout globalknownhostsfile hashknownhosts
  hostkeyalias hostname identitiesonly identityagent identityfile ignoreunknown kbdinteractiveauthentication knownhostscommand
  numberofpasswordprompts passwordauthentication port preferredauthentications proxycommand proxyjump pubkeyauthentication
  serveralivecountmax serveraliveinterval stricthostkeychecking tag user userknownhostsfile ciphers hostkeyalgorithms kexalgorithms macs`.split(/\s+/),
);

const terminal = 'C10M opens no terminal and runs its own agent only';
const forwarding = 'C10M forwards nothing';
const ownLink = 'C10M makes a connection of its own and shares none';
const noKerberos = 'C10M has no Kerberos';
const obsolete = 'it means nothing to present SSH servers';
const canonical = 'C10M does not complete host names: write the full name, or HostName';
const keysAsTheyAre = 'C10M offers the keys that are there, with what the server takes';
const notWritten = 'C10M adds new hosts to known_hosts and changes nothing else there';

/** Why, for each that decides about a login. */
export const unfollowedAtLogin: Readonly<Record<string, string>> = {
  bindinterface: 'C10M does not choose an interface: use BindAddress',
  canonicaldomains: canonical,
  canonicalizefallbacklocal: canonical,
  canonicalizehostname: canonical,
  canonicalizemaxdots: canonical,
  canonicalizepermittedcnames: canonical,
  casignaturealgorithms: 'C10M does not check host certificates',
  checkhostip: 'C10M looks up the name only',
  gssapiauthentication: noKerberos,
  gssapiclientidentity: noKerberos,
  gssapidelegatecredentials: noKerberos,
  gssapikexalgorithms: noKerberos,
  gssapikeyexchange: noKerberos,
  gssapirenewalforcesrekey: noKerberos,
  gssapiserveridentity: noKerberos,
  gssapitrustdns: noKerberos,
  hostbasedacceptedalgorithms: 'C10M does not log in by the key of this machine',
  hostbasedauthentication: 'C10M does not log in by the key of this machine',
  kbdinteractivedevices: 'C10M lets the server choose',
  nohostauthenticationforlocalhost: 'C10M checks the key of each host',
  pkcs11provider: 'C10M reaches smart cards through an SSH agent only: ssh-add -s PROVIDER',
  proxyusefdpass: 'Node cannot take an open connection from another program: use a ProxyCommand that passes data on',
  pubkeyacceptedalgorithms: keysAsTheyAre,
  refuseconnection: 'C10M does not read its message',
  requiredrsasize: keysAsTheyAre,
  revokedhostkeys: 'C10M reads revoked host keys from known_hosts only (@revoked)',
  securitykeyprovider: 'C10M reaches security keys through an SSH agent only',
  useprivilegedport: obsolete,
  verifyhostkeydns: 'C10M does not look up host keys in the DNS',
};

/** Why, for each that does not decide about a login. */
export const unfollowedElsewhere: Readonly<Record<string, string>> = {
  ...each(
    'escapechar enableescapecommandline forkafterauthentication localcommand permitlocalcommand remotecommand requesttty sendenv sessiontype setenv stdinnull',
    terminal,
  ),
  ...each(
    `clearallforwardings dynamicforward exitonforwardfailure forwardagent forwardx11 forwardx11timeout forwardx11trusted forwardx11location gatewayports
    localforward permitremoteopen remoteforward streamlocalbindmask streamlocalbindunlink tunnel tunneldevice xauthlocation`,
    forwarding,
  ),
  ...each('controlmaster controlpath controlpersist', ownLink),
  ...each('updatehostkeys globalknownhostsfile2 userknownhostsfile2', notWritten),
  ...each('addkeystoagent usekeychain', 'C10M keeps passphrases in memory, or where VS Code keeps secrets'),
  ...each('fingerprinthash visualhostkey', 'C10M shows fingerprints as SHA256'),
  ...each('loglevel logverbose syslogfacility', 'C10M has a log of its own (--verbose)'),
  ...each('channeltimeout ipqos obscurekeystroketiming rekeylimit tcpkeepalive', 'C10M leaves that to the system and to its own heartbeat'),
  ...each('enablesshkeysign versionaddendum warnweakcrypto', 'it changes nothing for C10M'),
  ...each(
    'afstokenpassing cipher compressionlevel fallbacktorsh kerberosauthentication kerberostgtpassing protocol rhostsrsaauthentication rsaauthentication useroaming usersh',
    obsolete,
  ),
};

function each(words: string, reason: string): Record<string, string> {
  return Object.fromEntries(words.split(/\s+/).map((word) => [word, reason]));
}

/** Values that ask for nothing, of options without a default in `optionDefaults`. */
const neutral: Readonly<Record<string, readonly string[]>> = {
  controlpath: ['none'],
  controlpersist: ['no', 'false', '0'],
  escapechar: ['~', 'none'],
  forwardx11trusted: ['no'],
  gssapikeyexchange: ['no'],
  gssapirenewalforcesrekey: ['no'],
  gssapitrustdns: ['no'],
  obscurekeystroketiming: ['yes', 'no'],
  pkcs11provider: ['none'],
  protocol: ['2'],
  remotecommand: ['none'],
  revokedhostkeys: ['none'],
  tunneldevice: ['any:any'],
  updatehostkeys: ['false'],
  useprivilegedport: ['no'],
  warnweakcrypto: ['yes', 'no'],
};

/** Of what the files say for a host (by lower-case keyword, without defaults), what is not followed. Pure. */
export function unsupportedOptions(values: ReadonlyMap<string, readonly string[]>): UnsupportedOption[] {
  const found: UnsupportedOption[] = [];
  for (const [option, words] of values) {
    const value = words.join(' ');
    const missing = missingAlgorithms(option, value);
    if (missing.length > 0) {
      found.push({ option, value, reason: `C10M does not have ${missing.join(', ')}, and uses the others`, affectsLogin: true });
      continue;
    }
    const atLogin = unfollowedAtLogin[option];
    const reason = atLogin ?? unfollowedElsewhere[option];
    const asksNothing = value === optionDefaults[option] || neutral[option]?.includes(value.toLowerCase()) === true;
    if (reason !== undefined && !asksNothing) found.push({ option, value, reason, affectsLogin: atLogin !== undefined });
  }
  return found;
}

/**
 * One line that names what is not followed and decides about a login; undefined where all is. Kerberos, which distributions switch on for everybody, is
 * named where the host asks for it: in `said`.
 */
export function unsupportedText(unsupported: readonly UnsupportedOption[], said = ''): string | undefined {
  const counts = ({ option, affectsLogin }: UnsupportedOption) => affectsLogin && (!option.startsWith('gssapi') || said.includes('gssapi'));
  const named = unsupported.filter(counts).map(({ option, value, reason }) => `${option} ${value} (${reason})`);
  return named.length === 0 ? undefined : `Not followed from ssh_config: ${named.join('; ')}.`;
}
