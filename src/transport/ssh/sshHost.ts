import { HumanError } from '../../core/errors.js';
import { cancelledError, throwIfCancelled, unlessCancelled } from '../../core/cancellation.js';
import type { ConfirmQuestion, ConnectOptions, HostConnection, RelayChannel } from '../contract.js';
import { consentFile, Consents } from '../consents.js';
import { deploy, inspectHost, kindOfHost, requireBase } from '../deploy.js';
import { laptopEnvironment, type LaptopEnvironment } from '../environment.js';
import { nothingExcluded, type Excluded, type Inspection } from '../hostScripts.js';
import { downloadNode, provisionedDirectory, provisionedNodes } from '../nodeDownload.js';
import { copiedNodeDirectory, copiedNodeIn, copyNode } from '../copiedNode.js';
import { readPayloads, type HostKind, type Payload } from '../payload.js';
import { installNode } from '../provision.js';
import { StreamRelayChannel } from '../relayChannel.js';
import { openChain, type Chain } from './chain.js';
import { RelayRights } from './relayRights.js';
import type { RelayCommand } from './relayStart.js';
import { PersonWaits } from './personWaits.js';
import { Secrets } from './secrets.js';
import { SftpHoldsSession, SshShell } from './sshShell.js';

/** Connects to a host over SSH and equips it. Throws HumanErrors. */
export async function connectSsh(name: string, options: ConnectOptions): Promise<HostConnection> {
  const payloads = await readPayloads(options.payloadDirectory);
  const host = new SshHost(name, options, options.environment ?? laptopEnvironment(), payloads);
  // The signal ends the first connection only. A run that is being stopped may have to come back to its host to stop it.
  const onAbort = () => void host.dispose();
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    throwIfCancelled(options.signal);
    await host.equip();
  } catch (error) {
    await host.dispose();
    throw error;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
  return host;
}

/** What is needed to start a relay. */
type Equipment = RelayCommand;

class SshHost implements HostConnection {
  private readonly secrets: Secrets;
  private readonly waits: PersonWaits;
  private readonly rights: RelayRights;
  private readonly channels = new Set<RelayChannel>();
  private chain: Chain | undefined;
  private connecting: Promise<Chain> | undefined;
  private withoutSftp = false;
  private equipment: Equipment | undefined;
  private readonly lifetime = new AbortController();

  constructor(
    readonly name: string,
    private readonly options: ConnectOptions,
    private readonly environment: LaptopEnvironment,
    private readonly payloads: ReadonlyMap<HostKind, Payload>,
  ) {
    this.waits = new PersonWaits(options.progress, options.inform);
    this.secrets = new Secrets(options.prompts, this.waits);
    this.rights = new RelayRights({ ...options, name, secrets: this.secrets, waits: this.waits }, (chain, excluded) => this.equipOver(chain, excluded));
  }

  openRelay(signal: AbortSignal = this.lifetime.signal): Promise<RelayChannel> {
    if (this.lifetime.signal.aborted) return Promise.reject(new HumanError(`The connection to ${this.name} was closed.`, { code: 'unreachable' }));
    const starting = this.startRelay(AbortSignal.any([signal, this.lifetime.signal]));
    void starting.then((channel) => signal.aborted && channel.close()).catch(() => undefined);
    return unlessCancelled(starting, signal);
  }

  private async startRelay(signal: AbortSignal): Promise<RelayChannel> {
    const remembered = this.equipment;
    try {
      const equipment = remembered ?? (await this.equip());
      return await this.relayWith(await this.connectedChain(), equipment, signal);
    } catch (error) {
      // A host that was set up anew, or cleaned its temporary files, while the link was down has to be equipped again.
      if (remembered === undefined || !(error instanceof HumanError) || error.code !== 'unsupported') throw error;
      this.equipment = undefined;
      const equipment = await this.equip();
      return this.relayWith(await this.connectedChain(), equipment, signal);
    }
  }

  rest(): void {
    if (this.channels.size > 0) return;
    this.chain?.end();
    this.chain = undefined;
  }

  dispose(): Promise<void> {
    this.lifetime.abort();
    for (const channel of [...this.channels]) channel.close();
    this.chain?.end();
    this.chain = undefined;
    return Promise.resolve();
  }

  /** Looks at the host and brings what is missing. */
  async equip(): Promise<Equipment> {
    try {
      return await this.equipOver(await this.connectedChain());
    } catch (error) {
      if (!(error instanceof SftpHoldsSession)) throw error;
      this.withoutSftp = true;
      this.chain?.end();
      this.chain = undefined;
      return this.equipOver(await this.connectedChain());
    }
  }

  private async equipOver(chain: Chain, excluded: Excluded = nothingExcluded): Promise<Equipment> {
    const { options, name } = this;
    const shell = new SshShell(chain, this.lifetime.signal, options.log, this.withoutSftp);
    options.progress(`Looking at ${name}`);
    const wantsSudo = options.sudo !== 'never';
    const nodeDirectories = [...Object.values(provisionedNodes).map(provisionedDirectory), copiedNodeDirectory];
    const found = await inspectHost(shell, this.payloads, { nodeDirectories, wantsSudo, excluded }, this.deployOptions);
    if (options.sudo === 'required' && found.userId !== 0 && found.sudo === 'none') {
      throw new HumanError(`There is no root on ${name} for user ${found.userId}: ${found.sudoProblem ?? 'it has no sudo'}. Nothing was changed there.`, {
        code: 'accessRefused',
        remedy: 'Use an account that may use sudo, or root.',
      });
    }
    const kind = kindOfHost(found, name, this.payloads);
    const node = found.node?.path ?? (await this.otherNode(shell, found, kind, excluded));
    let directory = found.payload;
    if (directory === undefined) {
      const base = requireBase(found, name);
      for (const rejected of found.rejected) options.log(`${name}: not used for the agent: ${rejected}`);
      directory = await deploy(shell, this.payloads.get(kind)!, base, 'the agent', this.deployOptions);
    } else options.log(`${name}: the agent is there already (${directory})`);
    this.equipment = { node, agent: `${directory}/agent.cjs`, privilege: wantsSudo ? privilegeOf(found) : 'none' };
    return this.equipment;
  }

  /** Without a Node in a place where it can be run: a copy of one that is elsewhere on the host, or one from here. */
  private async otherNode(shell: SshShell, found: Inspection, kind: HostKind, excluded: Excluded): Promise<string> {
    const [elsewhere] = excluded.nodes;
    if (elsewhere === undefined) return this.provision(shell, found, kind);
    const base = requireBase(found, this.name);
    if (excluded.nodes.includes(copiedNodeIn(base))) {
      throw new HumanError(`Root cannot run the copy of Node in ${base} on ${this.name} either.`, { code: 'unsupported' });
    }
    return copyNode(shell, elsewhere, base, this.deployOptions);
  }

  /** Brings Node to a host that has none, if the user wants that. */
  private async provision(shell: SshShell, found: Inspection, kind: HostKind): Promise<string> {
    const { options, name } = this;
    const others = found.unusableNodes.length === 0 ? '' : ` (found, but not usable: ${found.unusableNodes.join(', ')})`;
    const [architecture, libc] = kind.split('-') as ['x64' | 'arm64', string];
    const choice = options.provisionNode ?? 'ask';
    const node = provisionedNodes[architecture];
    // Node's own releases are built for glibc.
    const possible = libc === 'glibc' && choice !== 'never';
    const detail = `It has no Node 20 or newer${others}. ${Math.round(node.archiveBytes / 1e6)} MB are downloaded once to this machine and put into ${found.base ?? 'its cache directory'} there; nothing else changes.`;
    if (!possible || (choice === 'ask' && !(await this.mayProvision({ title: `Bring Node ${node.version} to ${name}?`, detail, accept: 'Bring Node' })))) {
      throw new HumanError(`${name} has no Node 20 or newer${others}. Nothing was changed there.`, {
        code: 'unsupported',
        remedy: `Install Node on the host (PATH, nvm, volta, asdf, /usr/local and /opt are looked at)${possible ? ', or let C10M bring one (in a terminal: --provision-node always)' : ''}.`,
      });
    }
    const base = requireBase(found, name);
    const { signal } = this.lifetime;
    const archive = await downloadNode(node, { environment: this.environment, registry: options.registry, signal, progress: options.progress });
    return installNode(shell, node, archive, base, this.deployOptions);
  }

  private mayProvision(question: ConfirmQuestion): Promise<boolean> {
    this.waits.ask(question.title);
    return this.options.prompts.confirm(question, this.lifetime.signal);
  }

  private get deployOptions() {
    return { name: this.name, log: this.options.log, progress: this.options.progress };
  }

  /** The living chain, or a new one. Concurrent callers get the same. */
  private connectedChain(): Promise<Chain> {
    if (this.chain !== undefined) return Promise.resolve(this.chain);
    this.connecting ??= this.connect().finally(() => {
      this.connecting = undefined;
    });
    return this.connecting;
  }

  private async connect(): Promise<Chain> {
    const { options } = this;
    const chain = await openChain(this.name, {
      prompts: options.prompts,
      secrets: this.secrets,
      waits: this.waits,
      environment: this.environment,
      inform: options.inform,
      signal: this.lifetime.signal,
      log: options.log,
      progress: options.progress,
      sources: { environment: this.environment },
      identityFile: options.identityFile,
      mayRun: (host, option, command) => this.mayRun(host, option, command),
    });
    if (this.lifetime.signal.aborted) {
      chain.end();
      throw cancelledError();
    }
    this.chain = chain;
    void chain.closed.then((reason) => {
      options.log(`${this.name}: ${reason}`);
      if (this.chain === chain) this.chain = undefined;
    });
    return chain;
  }

  /** Whether a command of ssh_config may run: asked once per host and command, and remembered on this machine. */
  private async mayRun(host: string, option: string, command: string): Promise<boolean> {
    const consents = new Consents(consentFile(this.environment), this.options.log);
    if (await consents.has(host, command)) return true;
    this.waits.ask(`may the ${option} of ${host} be run?`);
    const question = { title: `Run the ${option} of ${host} from your SSH configuration?`, detail: command, accept: 'Run it' };
    const allowed = await this.options.prompts.confirm(question, this.lifetime.signal);
    if (allowed) await consents.add(host, command);
    return allowed;
  }

  private async relayWith(chain: Chain, equipment: Equipment, signal: AbortSignal): Promise<RelayChannel> {
    const { streams, equipment: used } = await this.rights.start(chain, equipment, signal);
    this.equipment = used;
    const channel = new StreamRelayChannel(streams);
    this.channels.add(channel);
    channel.onClose(() => this.channels.delete(channel));
    return channel;
  }
}

function privilegeOf(found: Inspection): RelayCommand['privilege'] {
  return found.userId === 0 ? 'none' : found.sudo;
}
