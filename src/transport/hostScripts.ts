import { shellQuoted } from './quote.js';
import { boundedLine } from '../core/foreignText.js';
import { minimumNodeMajor } from './runtime.js';

/**
 * The POSIX shell scripts that look at a host and put files there, and the reading of what they print. Each prints
 * `key=value` lines between two marks, since shells and banners may print anything around them. Pure.
 */
const begin = 'C10M-BEGIN';
const end = 'C10M-END';

/** A version manager's shim may take some seconds; one that hangs, or a sudo that asks a dead server, must not hold us. */
const stepSeconds = 10;
/** What a Node says of itself on one line, whatever else a shim prints. A slow name service must not be asked. */
const askNode =
  'process.report.excludeNetwork=true,"c10m-node "+[process.version,process.arch,process.report.getReport().header.glibcVersionRuntime?"glibc":"musl",process.execPath].join(" ")';

/** Free space that a payload needs, with room for the next version; KiB. */
const neededKilobytes = 16 * 1024;

/** What an inspection found. */
export interface Inspection {
  system: string;
  machine: string;
  libc: string;
  userId: number;
  home: string;
  /** `passwordless`, `password` (may be had with one) or `none`. */
  sudo: 'passwordless' | 'password' | 'none';
  /** Why there is none, where it is known. */
  sudoProblem: string | undefined;
  /** The first Node that is new enough: version and path. */
  node: { version: string; path: string } | undefined;
  /** Others that are too old or do not run. */
  unusableNodes: string[];
  /** Directory of the payload that is there, complete and verified. */
  payload: string | undefined;
  /** Directory in which a payload can be put. */
  base: string | undefined;
  /** Why better places were passed over: `path: reason`. */
  rejected: string[];
}

/** A script that wraps `body` in marks. */
function marked(body: string): string {
  return `LC_ALL=C; export LC_ALL; umask 077\necho ${begin}\n${body}\necho ${end}\n`;
}

/** What proved to be of no use to the one who will run it: paths of programs, and directories for the agent. */
export interface Excluded {
  nodes: string[];
  bases: string[];
}

export const nothingExcluded: Readonly<Excluded> = { nodes: [], bases: [] };

export interface InspectionInputs {
  /** Of the payload for each `uname -m`-libc, such as `x86_64-glibc`. */
  digests: Readonly<Record<string, string>>;
  /** Names below the cache in which Nodes of ours may be. */
  nodeDirectories: readonly string[];
  wantsSudo: boolean;
  excluded: Readonly<Excluded>;
}

/** Looks at a host. */
export function inspectScript({ digests, nodeDirectories, wantsSudo, excluded }: InspectionInputs): string {
  const cases = Object.entries(digests).map(([kind, digest]) => `  ${kind}) digest=${digest} ;;`);
  return marked(`
uid=$(id -u)
machine=$(uname -m)
libc=unknown
if ls /lib/ld-musl-* >/dev/null 2>&1; then libc=musl; fi
if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then libc=glibc; fi
echo "system=$(uname -s)"
echo "uid=$uid"
echo "home=$HOME"
# SIGKILL, since a shell that waits may ignore the others.
limited() {
  if command -v timeout >/dev/null 2>&1; then timeout -s KILL ${stepSeconds} "$@"; else "$@"; fi
}
# What it prints, then a line with its code. For a program that may not be ended by us, as root's own: without that line it is left to itself.
patiently() { { { "$@" 2>&1; echo "c10m-code $?"; } </dev/null 2>/dev/null & } | limited cat; }

is_excluded() {
  case "$1" in ${[...excluded.nodes, ...excluded.bases].map(shellQuoted).join('|') || '""'}) return 0 ;; esac
  return 1
}
${baseFunctions}
each_base() {
  # A relative one would be another in each directory.
  case "$XDG_CACHE_HOME" in /*) "$1" "$XDG_CACHE_HOME/c10m" own && return ;; esac
  case "$HOME" in /*) "$1" "$HOME/.cache/c10m" own && return ;; esac
  "$1" "/var/tmp/c10m-$uid" shared && return
  "$1" "/tmp/c10m-$uid" shared && return
  "$1" "/dev/shm/c10m-$uid" shared && return
}
find_payload() {
  d="$1/$digest"
  is_excluded "$1" && return 1
  [ -d "$d" ] && [ -O "$d" ] && [ ! -L "$1" ] && is_plain "$1" && is_private "$1" && is_private "$d" || return 1
  [ "$(sha256sum < "$d/manifest.sha256" 2>/dev/null)" = "$digest  -" ] || return 1
  ( cd "$d" && sha256sum -c manifest.sha256 >/dev/null 2>&1 ) || return 1
  touch "$d" 2>/dev/null
  echo "payload=$d"
}
try_node() {
  [ -f "$1" ] && [ -x "$1" ] || return 1
  # The Node that will run is asked itself: a shim shows its real program, and a program of 32 bits on a kernel of 64 its own kind.
  said=$(limited "$1" -p ${shellQuoted(askNode)} 2>/dev/null </dev/null); rc=$?
  # As GNU and BusyBox say it.
  case "$rc" in 124|137|143) late=yes ;; *) late= ;; esac
  if [ -n "$late" ]; then echo "badnode=$1 (it does not answer within ${stepSeconds} s)"; return 1; fi
  raw=$(printf '%s\\n' "$said" | tail -n 1)
  said=$(printf '%s\\n' "$said" | sed -n 's/^c10m-node //p' | tail -n 1)
  v=\${said%% *}; rest=\${said#* }; arch=\${rest%% *}; rest=\${rest#* }; nodelibc=\${rest%% *}; real=\${rest#* }
  major=\${v#v}; major=\${major%%.*}
  case "$major" in
    ''|*[!0-9]*) echo "badnode=$1\${raw:+ ($raw)}"; return 1 ;;
  esac
  if [ "$major" -lt ${minimumNodeMajor} ]; then echo "badnode=$1 ($v)"; return 1; fi
  [ -x "$real" ] || real=$1
  if is_excluded "$real"; then echo "badnode=$real (root cannot run it)"; return 1; fi
  echo "node=$v $real"
  case "$arch" in x64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) machine=$arch ;; esac
  libc=$nodelibc
  return 0
}
find_node() {
  old=$IFS; IFS=:
  for d in $PATH; do
    IFS=$old
    case "$d" in /*) try_node "$d/node" && return ;; esac
  done
  IFS=$old
  for n in "$HOME"/.nvm/versions/node/*/bin/node "$HOME"/.config/nvm/versions/node/*/bin/node \\
    "$HOME"/.volta/tools/image/node/*/bin/node "$HOME"/.asdf/installs/nodejs/*/bin/node \\
    "$HOME"/.local/share/mise/installs/node/*/bin/node "$HOME"/.local/share/fnm/node-versions/*/installation/bin/node \\
    "$HOME"/.fnm/node-versions/*/installation/bin/node "$HOME"/.nodenv/versions/*/bin/node "$HOME"/n/bin/node "$HOME"/.local/bin/node \\
    /usr/local/bin/node /usr/local/lib/nodejs/*/bin/node /usr/local/n/versions/node/*/bin/node /usr/local/node*/bin/node \\
    /usr/bin/node /usr/bin/nodejs /opt/node*/bin/node /opt/*/bin/node /opt/nodejs/*/bin/node /snap/bin/node; do
    try_node "$n" && return
  done
  for b in "$XDG_CACHE_HOME/c10m" "$HOME/.cache/c10m" "/var/tmp/c10m-$uid" "/tmp/c10m-$uid" "/dev/shm/c10m-$uid"; do
    [ -O "$b" ] && [ ! -L "$b" ] || continue
    for n in ${nodeDirectories.map((name) => `"$b/${name}/node"`).join(' ') || '""'}; do try_node "$n" && return; done
  done
}
find_node
echo "machine=$machine"
echo "libc=$libc"
digest=
case "$machine-$libc" in
${cases.join('\n')}
esac
if [ -n "$digest" ]; then each_base find_payload; fi
each_base find_base
${wantsSudo ? sudoProbe : 'echo sudo=none'}
`);
}

const baseFunctions = `
# fish and csh read these in their own ways, even in quotes.
is_plain() { case "$1" in *\\\\*|*!*|*\\'*) return 1 ;; esac; }
# What others can write can be another program by the time it runs.
is_private() { [ -z "$(find "$1" -maxdepth 0 \\( -perm -020 -o -perm -002 \\) 2>/dev/null)" ]; }
usable_base() {
  is_plain "$1" || { echo "has a name that not every login shell can be given"; return 1; }
  # In a directory that others can write to, a name may have been taken by somebody else: the link or directory must be ours.
  if [ -L "$1" ] && [ "$2" = shared ]; then echo "a symbolic link"; return 1; fi
  parent=$(dirname "$1"); new=; newparent=
  [ -d "$parent" ] || newparent=yes
  [ -d "$1" ] || new=yes
  mkdir -p "$1" 2>/dev/null || { echo "cannot be made"; return 1; }
  why=$(usable_directory "$1"); rc=$?
  # An inspection leaves nothing behind.
  [ -n "$new" ] && rmdir "$1" 2>/dev/null
  [ -n "$newparent" ] && rmdir "$parent" 2>/dev/null
  [ "$rc" = 0 ] || echo "$why"
  return "$rc"
}
usable_directory() {
  [ -O "$1" ] || { echo "belongs to somebody else"; return 1; }
  is_private "$1" || { echo "can be written by others"; return 1; }
  probe="$1/.probe-$$"
  if ! { printf '#!/bin/sh\\nexit 7\\n' > "$probe"; } 2>/dev/null; then echo "cannot be written"; return 1; fi
  chmod 700 "$probe"
  "$probe" 2>/dev/null; rc=$?
  rm -f "$probe"
  [ "$rc" = 7 ] || { echo "does not allow programs (noexec)"; return 1; }
  free=$(df -Pk "$1" 2>/dev/null | awk 'NR==2 {print $4}')
  case "$free" in ''|*[!0-9]*) free=${neededKilobytes} ;; esac
  [ "$free" -ge ${neededKilobytes} ] || { echo "has only $free KiB free"; return 1; }
}
find_base() {
  if is_excluded "$1"; then echo "rejected=$1: root cannot read it"; return 1; fi
  reason=$(usable_base "$1" "$2") && { echo "base=$1"; return 0; }
  echo "rejected=$1: $reason"
  return 1
}
`;

const sudoProbe = `
if [ "$uid" = 0 ]; then echo sudo=none
elif ! command -v sudo >/dev/null 2>&1; then echo sudo=none
else
  # Tried by what will be run. What it says differs between programs and versions, so nothing is made of its words: whether it can be had with a
  # password is tried when it is needed.
  said=$(patiently sudo -n -- sh -c 'echo c10m-uid $(id -u)')
  rc=$(printf '%s\\n' "$said" | sed -n 's/^c10m-code //p')
  case "$rc-$said" in
    0-*"c10m-uid 0"*) echo sudo=passwordless ;;
    -*) echo sudo=none; echo "sudoproblem=sudo does not answer within ${stepSeconds} s" ;;
    *) echo sudo=password ;;
  esac
fi
`;

/** Reads what the inspection printed; undefined when it did not run to its end. */
export function parseInspection(stdout: string): Inspection | undefined {
  const lines = markedLines(stdout);
  if (lines === undefined) return undefined;
  const all = (key: string) => lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  const one = (key: string) => all(key)[0] ?? '';
  const node = /^(v\S+) (\/.*)$/.exec(one('node'));
  const sudo = one('sudo');
  return {
    system: one('system'),
    machine: one('machine'),
    libc: one('libc'),
    userId: Number(one('uid')),
    home: one('home'),
    sudo: sudo === 'passwordless' || sudo === 'password' ? sudo : 'none',
    sudoProblem: all('sudoproblem')[0],
    node: node === null ? undefined : { version: node[1]!, path: node[2]! },
    unusableNodes: all('badnode'),
    payload: all('payload')[0],
    base: all('base')[0],
    rejected: all('rejected'),
  };
}

function markedLines(stdout: string): string[] | undefined {
  const lines = stdout.split('\n').map((line) => line.replace(/\r$/, ''));
  const first = lines.lastIndexOf(begin);
  const last = lines.lastIndexOf(end);
  return first === -1 || last < first ? undefined : lines.slice(first + 1, last).map((line) => boundedLine(line));
}

/** Makes the directories of an upload, and removes what interrupted uploads left more than a day ago. */
export function prepareUploadScript(base: string, temporary: string, directories: readonly string[]): string {
  const made = ['', ...directories].map((directory) => shellQuoted(`${temporary}/${directory}`)).join(' ');
  return marked(`
mkdir -p ${shellQuoted(base)}
# Looked at again: in a directory that others can write to, somebody may have been quicker.
[ -O ${shellQuoted(base)} ] || exit
find ${shellQuoted(base)} -maxdepth 1 -name '.upload-*' -mtime +0 -exec rm -rf {} + 2>/dev/null
mkdir -p ${made} && echo done=yes`);
}

/** Verifies an upload by its manifest and puts it in its place; keeps the five newest of earlier versions. */
export function finishUploadScript(base: string, temporary: string, manifest: string, digest: string): string {
  const target = shellQuoted(`${base}/${digest}`);
  const from = shellQuoted(temporary);
  return marked(`
cd ${from} && cat > manifest.sha256 <<'C10M-MANIFEST'
${manifest}C10M-MANIFEST
if sha256sum -c manifest.sha256 >/dev/null 2>&1 && [ "$(sha256sum < manifest.sha256)" = "${digest}  -" ]; then
  cd /
  chmod -R go-rwx ${from}
  rm -rf ${target}
  mv ${from} ${target} && echo done=yes
  # Longer ago than any run lasts, and not among the five newest.
  ls -1dt ${shellQuoted(base)}/????????????????????????????????????????????????????????????????/ 2>/dev/null | tail -n +6 | while read -r old; do
    [ -n "$(find "$old" -maxdepth 0 -mtime +14 2>/dev/null)" ] && rm -rf "$old"
  done
else
  echo "free=$(df -Pk . | awk 'NR==2 {print $4}')"
  echo damaged=yes
fi`);
}

export function discardUploadScript(temporary: string): string {
  return marked(`rm -rf ${shellQuoted(temporary)}`);
}

/** The values of a script that prints `key=value` lines. */
export function parseValues(stdout: string): Record<string, string> {
  const values = (markedLines(stdout) ?? []).map((line) => /^(\w+)=(.*)$/.exec(line)).filter((match) => match !== null);
  return Object.fromEntries(values.map((match) => [match[1]!, match[2]!]));
}

/** Unpacks an uploaded archive of Node, verifies the program by its SHA-256, tries it, and puts it in its place. */
export function installNodeScript(base: string, temporary: string, directory: string, nodeSha256: string): string {
  const from = shellQuoted(temporary);
  const target = shellQuoted(`${base}/${directory}`);
  return marked(`
free() { df -Pk . | awk 'NR==2 {print $4}'; }
cd ${from} || exit
if ! tar -xzf node.tgz package/bin/node 2>unpack.log; then
  echo "problem=it could not be unpacked ($(tail -n 1 unpack.log); $(free) KiB are free)"
elif [ "$(sha256sum < package/bin/node)" != "${nodeSha256}  -" ]; then
  echo "problem=what arrived is not what was sent ($(free) KiB are free)"
elif ! chmod 700 package/bin/node || ! package/bin/node --version >/dev/null 2>run.log </dev/null; then
  echo "problem=it does not run here ($(tail -n 1 run.log))"
else
  mkdir done && mv package/bin/node done/node && rm -rf ${target} && mv done ${target} && echo done=yes
  cd / && rm -rf ${from}
fi`);
}

/** Copies the program that a Node is, not the shim before it; whole or not at all. */
export function copyNodeScript(node: string, base: string, directory: string): string {
  const target = shellQuoted(`${base}/${directory}`);
  const copy = shellQuoted('require("fs").copyFileSync("/proc/self/exe", process.argv[1])');
  return marked(`
mkdir -p ${target} && ${shellQuoted(node)} -e ${copy} ${target}/.copy-$$ </dev/null && chmod 700 ${target}/.copy-$$ && mv ${target}/.copy-$$ ${target}/node && echo done=yes
rm -f ${target}/.copy-$$`);
}
