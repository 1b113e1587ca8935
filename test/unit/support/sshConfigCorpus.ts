/** One ssh_config as people have it, with the names to resolve through it. `DIR` stands for a directory that holds `files`. */
export interface CorpusEntry {
  name: string;
  config: string;
  hosts: string[];
  files?: Record<string, string>;
}

export const corpus: CorpusEntry[] = [
  { name: 'empty', config: '', hosts: ['foo', 'Foo.Example.COM', 'me@foo', '192.168.1.4'] },
  { name: 'comments and blank lines', config: '# hello\n\n   # indented\n\t\nHost foo # trailing\n  Port 2222 # why\n', hosts: ['foo', 'trailing', '#'] },
  {
    name: 'one host',
    config: 'Host web\n  HostName web-1.example.com\n  User deploy\n  Port 2200\n  IdentityFile ~/.ssh/deploy_ed25519\n',
    hosts: ['web', 'other', 'root@web'],
  },
  { name: 'equals signs', config: 'Host=web\n  HostName=web.example.com\n  Port = 2200\n  User= deploy\n  IdentityFile =~/.ssh/a\n', hosts: ['web'] },
  { name: 'keyword case', config: 'HOST web\n  hostname web.example.com\n  USER deploy\n  pOrT 99\n', hosts: ['web'] },
  { name: 'tabs and carriage returns', config: 'Host web\r\n\tHostName\tweb.example.com\r\n\tUser\tdeploy  \r\n', hosts: ['web'] },
  {
    name: 'quoted values',
    config: 'Host "web one" two\n  HostName "web.example.com"\n  IdentityFile "~/.ssh/my key"\n  User "de ploy"\n',
    hosts: ['two', 'one'],
  },
  {
    name: 'single quotes and escapes',
    config: 'Host web\n  IdentityFile \'/x/y z\'\n  IdentityFile /a\\ b\n  IdentityFile "/c\\"d"\n  IdentityFile C:\\Users\\me\\key\n',
    hosts: ['web'],
  },
  { name: 'several names', config: 'Host a b c.example.com\n  User abc\nHost b\n  User never\n  Port 7\n', hosts: ['a', 'b', 'c.example.com', 'd'] },
  {
    name: 'wildcards',
    config: 'Host *.example.com\n  User ex\nHost 10.0.?.*\n  User ten\nHost web-??\n  Port 3\n',
    hosts: ['a.example.com', 'example.com', '10.0.1.7', '10.0.11.7', 'web-01', 'web-001'],
  },
  { name: 'negation', config: 'Host * !bastion !*.internal\n  ProxyJump bastion\n  User x\n', hosts: ['a', 'bastion', 'b.internal'] },
  { name: 'negation alone matches nothing', config: 'Host !bastion\n  User x\n', hosts: ['a', 'bastion'] },
  { name: 'host patterns have case', config: 'Host Web\n  User upper\nHost web\n  User lower\n', hosts: ['Web', 'web', 'WEB'] },
  { name: 'first value wins', config: 'User global\nHost a\n  User mine\n  Port 1\nHost *\n  Port 2\n  User star\n', hosts: ['a', 'b'] },
  {
    name: 'defaults at the end',
    config: 'Host a\n  Port 1\nHost *\n  ServerAliveInterval 30\n  ServerAliveCountMax 5\n  ConnectTimeout 8\n  AddKeysToAgent yes\n',
    hosts: ['a'],
  },
  {
    name: 'several identity files',
    config: 'IdentityFile ~/.ssh/one\nHost a\n  IdentityFile ~/.ssh/two\n  IdentityFile %d/.ssh/%h_%r\n  IdentityFile ~/.ssh/one\n  IdentitiesOnly yes\n',
    hosts: ['a', 'b'],
  },
  { name: 'identity file none', config: 'Host a\n  IdentityFile none\n', hosts: ['a'] },
  {
    name: 'identity agents',
    config:
      'Host a\n  IdentityAgent none\nHost b\n  IdentityAgent SSH_AUTH_SOCK\nHost c\n  IdentityAgent "~/Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock"\nHost d\n  IdentityAgent $MY_AGENT\n',
    hosts: ['a', 'b', 'c', 'd'],
  },
  { name: 'certificate files', config: 'Host a\n  CertificateFile ~/.ssh/a-cert.pub\n  CertificateFile ~/.ssh/b-cert.pub\n', hosts: ['a'] },
  {
    name: 'one jump',
    config: 'Host inner\n  HostName 10.0.0.5\n  ProxyJump bastion\nHost bastion\n  HostName bastion.example.com\n  User jump\n',
    hosts: ['inner', 'bastion'],
  },
  {
    name: 'jump forms',
    config:
      'Host a\n ProxyJump u@j:2222\nHost b\n ProxyJump one,two@x,three:33\nHost c\n ProxyJump ssh://u@j:22\nHost d\n ProxyJump [2001:db8::1]:2200\nHost e\n ProxyJump 192.168.0.1:5\nHost f\n ProxyJump none\n',
    hosts: ['a', 'b', 'c', 'd', 'e', 'f'],
  },
  { name: 'jump none undoes a later one', config: 'Host bastion\n  ProxyJump none\nHost *\n  ProxyJump bastion\n', hosts: ['bastion', 'x'] },
  {
    name: 'proxy command',
    config:
      'Host a\n  ProxyCommand ssh -q -W %h:%p "jump host" # not a comment\nHost b\n  ProxyCommand  nc -X 5 -x 127.0.0.1:1080 %h %p\nHost c\n  ProxyCommand none\n',
    hosts: ['a', 'b', 'c'],
  },
  {
    name: 'jump before command',
    config: 'Host a\n  ProxyJump j\n  ProxyCommand x\nHost b\n  ProxyCommand x\n  ProxyJump j\nHost c\n  ProxyCommand none\n  ProxyJump j\n',
    hosts: ['a', 'b', 'c'],
  },
  {
    name: 'cloud session command',
    config:
      'host i-* mi-*\n    ProxyCommand sh -c "aws ssm start-session --target %h --document-name AWS-StartSSHSession --parameters \'portNumber=%p\'"\n    User ec2-user\n',
    hosts: ['i-0123456789abcdef0', 'x'],
  },
  {
    name: 'host name tokens',
    config: 'Host *.dev\n  HostName %h.example.com\nHost p\n  HostName 100%%.example.com\nHost short\n  HostName %h\n',
    hosts: ['a.dev', 'p', 'short'],
  },
  { name: 'host name case', config: 'Host Big\n  HostName BIG.Example.COM\n', hosts: ['Big', 'BIG2'] },
  {
    name: 'known hosts files',
    config:
      'Host a\n  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\nHost b\n  UserKnownHostsFile ~/.ssh/kh_%h "~/my hosts"\n  GlobalKnownHostsFile /etc/a /etc/b\nHost c\n  UserKnownHostsFile none\n  HostKeyAlias alias.example\n',
    hosts: ['a', 'b', 'c'],
  },
  {
    name: 'strictness',
    config:
      'Host a\n StrictHostKeyChecking yes\nHost b\n StrictHostKeyChecking accept-new\nHost c\n StrictHostKeyChecking off\nHost d\n StrictHostKeyChecking ASK\n',
    hosts: ['a', 'b', 'c', 'd'],
  },
  {
    name: 'times',
    config: 'Host a\n  ConnectTimeout 1m30s\n  ServerAliveInterval 2m\nHost b\n  ConnectTimeout none\nHost c\n  ConnectTimeout 1H\n',
    hosts: ['a', 'b', 'c'],
  },
  {
    name: 'authentication switches',
    config:
      'Host a\n  PasswordAuthentication no\n  ChallengeResponseAuthentication no\n  PubkeyAuthentication no\nHost b\n  PreferredAuthentications password,publickey\n  NumberOfPasswordPrompts 1\n  KbdInteractiveAuthentication no\n',
    hosts: ['a', 'b'],
  },
  {
    name: 'match host and user',
    config: 'Match host *.example.com user root\n  Port 1\nMatch host "a,b" user !root\n  Port 2\nMatch user root\n  Port 3\n',
    hosts: ['x.example.com', 'a', 'someone@a', 'someone@c', 'someone@x.example.com'],
  },
  {
    name: 'match sees the HostName so far',
    config:
      'Host alias\n  HostName real.example.com\nMatch host real.example.com\n  User matched\nMatch originalhost alias\n  Port 77\nMatch host alias\n  Port 78\n',
    hosts: ['alias', 'real.example.com'],
  },
  {
    name: 'match all and negation',
    config: 'Match !host a\n  User notA\nMatch all\n  Port 5\nMatch host a !user bob\n  ConnectTimeout 3\n',
    hosts: ['a', 'b', 'bob@a'],
  },
  { name: 'match localuser', config: 'Match localuser root\n  User fromRoot\nMatch localuser nobody-else\n  Port 9\n', hosts: ['a'] },
  {
    name: 'match final',
    config:
      'Host short\n  HostName long.example.com\nMatch final host *.example.com\n  User final\nMatch final all\n  Port 6\nHost long.example.com\n  ConnectTimeout 4\n',
    hosts: ['short', 'other'],
  },
  { name: 'match ends a host block', config: 'Host a\n  User a\nMatch user a\n  Port 3\nHost b\n  Port 4\n', hosts: ['a', 'b', 'a@b'] },
  {
    name: 'include',
    config: 'Include DIR/work.conf\nHost mine\n  User me\n',
    hosts: ['mine', 'office', 'z'],
    files: { 'work.conf': 'Host office\n  User worker\n  Port 23\nHost *\n  ConnectTimeout 7\n' },
  },
  {
    name: 'include globs in order',
    config: 'Include DIR/conf.d/*.conf\n',
    hosts: ['a'],
    files: {
      'conf.d/20-b.conf': 'Host a\n  Port 20\n  User twenty\n',
      'conf.d/10-a.conf': 'Host a\n  Port 10\n',
      'conf.d/skip.txt': 'Host a\n  ConnectTimeout 1\n',
      'conf.d/.hidden.conf': 'Host a\n  ConnectTimeout 2\n',
    },
  },
  {
    name: 'include inside a host block',
    config: 'Host a\n  Include DIR/inner.conf\n  Port 9\nHost b\n  User b\n',
    hosts: ['a', 'b', 'c'],
    files: { 'inner.conf': 'User inner\nHost c\n  Port 3\nHost a\n  ConnectTimeout 11\n' },
  },
  {
    name: 'a block of an included file ends with it',
    config: 'Include DIR/one.conf\nPort 44\n',
    hosts: ['x', 'y'],
    files: { 'one.conf': 'Host x\n  User ex\n' },
  },
  {
    name: 'include of several, some missing',
    config: 'Include DIR/missing.conf DIR/[ab].conf DIR/c?.conf\n',
    hosts: ['h'],
    files: {
      'a.conf': 'Host h\n User a\n',
      'b.conf': 'Host h\n Port 2\n',
      'c1.conf': 'Host h\n ConnectTimeout 5\n',
      'd.conf': 'BatchMode no\nHost h\n Compression yes\n',
    },
  },
  { name: 'nested include', config: 'Include DIR/l1\n', hosts: ['n'], files: { l1: 'Include DIR/l2\nHost n\n Port 1\n', l2: 'Host n\n User two\n Port 2\n' } },
  { name: 'no line feed at the end', config: 'Host a\n  User last', hosts: ['a'] },
  { name: 'indentation means nothing', config: 'Host a\nUser a\n        Host b\nUser b\n', hosts: ['a', 'b'] },
  {
    name: 'forwardings and terminals',
    config:
      'Host a\n  LocalForward 8080 localhost:80\n  RemoteForward 9090 localhost:90\n  DynamicForward 1080\n  ForwardAgent yes\n  ForwardX11 yes\n  RequestTTY yes\n  RemoteCommand tmux new -A -s main\n  LogLevel verbose\n  Compression yes\n  TCPKeepAlive no\n  ControlMaster auto\n  ControlPersist 10m\n',
    hosts: ['a'],
  },
  {
    name: 'environment',
    config: 'Host a\n  SendEnv LANG LC_*\n  SendEnv GIT_*\n  SetEnv A=b "C=d e"\nHost *\n  SendEnv -LC_* MORE\n  SetEnv X=y\n',
    hosts: ['a', 'b'],
  },
  {
    name: 'address options',
    config:
      'Host a\n  AddressFamily inet6\n  BindAddress 10.0.0.2\n  ConnectionAttempts 3\n  CheckHostIP yes\n  BindInterface eth0\nHost b\n  AddressFamily inet\n',
    hosts: ['a', 'b'],
  },
  { name: 'hashing and updating', config: 'Host *\n  HashKnownHosts yes\n  UpdateHostKeys ask\n  VerifyHostKeyDNS yes\n  VisualHostKey yes\n', hosts: ['a'] },
  {
    name: 'virtual machine tools',
    config:
      'Host default\n  HostName 127.0.0.1\n  User vagrant\n  Port 2222\n  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n  PasswordAuthentication no\n  IdentityFile /home/me/vm/.vagrant/machines/default/virtualbox/private_key\n  IdentitiesOnly yes\n  LogLevel FATAL\n  PubkeyAcceptedKeyTypes +ssh-rsa\n  HostKeyAlgorithms +ssh-rsa\n',
    hosts: ['default'],
  },
  {
    name: 'legacy switches',
    config: 'Host old\n  KexAlgorithms +diffie-hellman-group1-sha1\n  Ciphers +aes128-cbc\n  MACs hmac-sha1\n  HostKeyAlgorithms +ssh-rsa\n',
    hosts: ['old'],
  },
  {
    name: 'git hosting',
    config:
      'Host github.com gitlab.com\n  User git\n  IdentityFile ~/.ssh/git\n  PreferredAuthentications publickey\nHost ssh.github.com\n  HostName ssh.github.com\n  Port 443\n',
    hosts: ['github.com', 'git@gitlab.com', 'ssh.github.com'],
  },
  { name: 'ports in the name', config: 'Host a\n  Port 5\n', hosts: ['a', 'ssh://bob@a:2222', 'ssh://a'] },
  { name: 'IPv6', config: 'Host 2001:db8::*\n  User six\nHost v6\n  HostName 2001:db8::1\n', hosts: ['2001:db8::9', 'v6'] },
  {
    name: 'a domain with FreeIPA',
    config:
      'GlobalKnownHostsFile /var/lib/sss/pubconf/known_hosts\nKnownHostsCommand /usr/bin/sss_ssh_knownhosts %H\nHost *\n  GSSAPIAuthentication yes\n  GSSAPIDelegateCredentials yes\n  CanonicalizeHostname yes\n  VerifyHostKeyDNS ask\nHost plain\n  ProxyUseFdpass yes\n  ProxyCommand /usr/bin/nc -F %h %p\n',
    hosts: ['a', 'plain'],
  },
  {
    name: 'a machine that trusts machines',
    config:
      'Host *\n  HostbasedAuthentication yes\n  EnableSSHKeysign yes\n  NoHostAuthenticationForLocalhost yes\n  RequiredRSASize 3072\n  RevokedHostKeys /etc/ssh/revoked\n  PKCS11Provider /usr/lib/opensc-pkcs11.so\n  CASignatureAlgorithms ssh-ed25519\n',
    hosts: ['a'],
  },
  {
    name: 'options of other systems',
    config: 'IgnoreUnknown UseKeychain,FooBar,X-*\nHost *\n  UseKeychain yes\n  FooBar 1\n  X-Thing a b\n  AddKeysToAgent yes\n  User me\n',
    hosts: ['a'],
  },
  {
    name: 'a tunnel',
    config: 'Host a\n  Tunnel yes\n  TunnelDevice 1:2\n  PermitLocalCommand yes\n  LocalCommand ip link set up\n  StdinNull yes\n',
    hosts: ['a'],
  },
];
