import { posix } from 'node:path';
import { HumanError } from '../../core/errors.js';
import { throwIfCancelled } from '../../core/cancellation.js';
import type { ConnectOptions } from '../contract.js';
import type { Excluded } from '../hostScripts.js';
import type { RelayStreams } from '../relayChannel.js';
import type { Chain } from './chain.js';
import type { PersonWaits } from './personWaits.js';
import { PrivilegeRefused, RootBlocked, startRelay, type AskSudo, type RelayCommand } from './relayStart.js';
import type { Secrets } from './secrets.js';

/** Places that root cannot reach: the agent's and the Node's, and those that are found instead. */
const maximumExclusions = 6;

interface RightsOptions extends Pick<ConnectOptions, 'sudo' | 'log' | 'progress' | 'inform'> {
  name: string;
  secrets: Secrets;
  waits: PersonWaits;
}

/** Starts relays with the rights that were asked for: root where sudo gives it, proven, and else none. */
export class RelayRights {
  private givenSudo: string | undefined;

  constructor(
    private readonly options: RightsOptions,
    /** Looks at the host again, without what proved to be of no use. */
    private readonly equip: (chain: Chain, excluded: Excluded) => Promise<RelayCommand>,
  ) {}

  /** With root where it can be had, else without, and said. What root cannot reach is put where it can. */
  async start(chain: Chain, found: RelayCommand, signal: AbortSignal): Promise<{ streams: RelayStreams; equipment: RelayCommand }> {
    const excluded: Excluded = { nodes: [], bases: [] };
    let equipment = found;
    for (let attempt = 1; ; attempt++) {
      throwIfCancelled(signal);
      try {
        const streams = await this.tryStart(chain, equipment, signal);
        this.rememberSudo(chain, equipment);
        return { streams, equipment };
      } catch (error) {
        let problem = error;
        if (error instanceof RootBlocked && attempt <= maximumExclusions) {
          this.rememberSudo(chain, equipment);
          this.options.log(`${this.options.name}: ${error.message}: ${equipment[error.what]}`);
          if (error.what === 'node') excluded.nodes.push(equipment.node);
          else excluded.bases.push(posix.dirname(posix.dirname(equipment.agent)));
          try {
            equipment = await this.equip(chain, excluded);
            continue;
          } catch (otherError) {
            if (!(otherError instanceof HumanError) || otherError.code === 'cancelled' || otherError.code === 'unreachable') throw otherError;
            problem = new PrivilegeRefused(`${error.message}, and nothing else can be used: ${otherError.message}`);
          }
        }
        if (!(problem instanceof PrivilegeRefused || problem instanceof RootBlocked)) throw problem;
        equipment = this.withoutRoot(found, problem.message);
      }
    }
  }

  private tryStart(chain: Chain, equipment: RelayCommand, signal: AbortSignal): Promise<RelayStreams> {
    const askSudo: AskSudo = (question) => this.askSudo(chain, question, signal);
    return startRelay(chain, equipment, { askSudo, waits: this.options.waits, signal, inform: this.options.inform, name: this.options.name });
  }

  /** Goes on without root, unless that is required. */
  private withoutRoot(equipment: RelayCommand, why: string): RelayCommand {
    const { options } = this;
    const { name } = options;
    if (options.sudo === 'required') {
      throw new HumanError(`sudo on ${name} did not work: ${why}. Nothing was changed there.`, {
        code: 'accessRefused',
        remedy: 'Use an account that may use sudo, or root.',
      });
    }
    options.log(`${name}: sudo cannot be used (${why})`);
    options.progress(`${name}: going on without root: limits stay as they are, and memory figures are approximate`);
    return { ...equipment, privilege: 'none' };
  }

  private rememberSudo(chain: Chain, { privilege }: RelayCommand): void {
    if (privilege === 'password' && this.givenSudo !== undefined) this.options.secrets.remember(sudoKey(chain), this.givenSudo);
  }

  private async askSudo(chain: Chain, question: Parameters<AskSudo>[0], signal: AbortSignal): Promise<string | undefined> {
    if ('prompt' in question) {
      return this.options.secrets.ask({ title: `sudo on ${this.options.name} asks`, prompt: question.prompt, kind: 'answer', echo: false }, signal);
    }
    const { attempt } = question;
    const remembered = attempt === 1 ? this.options.secrets.recall(sudoKey(chain)) : undefined;
    this.givenSudo =
      remembered ??
      (await this.options.secrets.ask(
        {
          title: attempt === 1 ? `Root on ${this.options.name}` : 'sudo did not accept the password',
          prompt: `Password of ${chain.settings.user} for sudo on ${this.options.name} (without it the run goes on with fewer rights)`,
          kind: 'sudo',
          echo: false,
        },
        signal,
      ));
    return this.givenSudo;
  }
}

function sudoKey(chain: Chain): string {
  return `${chain.settings.user}@${chain.settings.hostName}:${chain.settings.port} sudo`;
}
