import type { RelayChannel } from '../transport/transport.js';

/** The shortest lease is 10 s: three of these fit. */
const heartbeatMs = 3_000;
const unansweredHeartbeats = 3;

export interface RelayWatch {
  /** Asks for a sign of life now. */
  beat: () => void;
  end: () => void;
}

/**
 * Sends heartbeats, which keep the run on the host alive, and notices a relay that hangs: sockets may stay open for minutes without anybody at the
 * other end. `onAnswer` is called with each heartbeat that was answered; events show life, not that anybody listens.
 */
export function watchRelay(relay: RelayChannel, onAnswer: () => void, onSilent: (why: string) => void): RelayWatch {
  let unanswered = 0;
  const beat = () => {
    relay
      .request((id) => ({ type: 'heartbeat', id }))
      .then(
        () => {
          unanswered = 0;
          onAnswer();
        },
        () => undefined,
      );
  };
  const release = relay.onEvent(() => (unanswered = 0));
  const timer = setInterval(() => {
    if (unanswered < unansweredHeartbeats) {
      unanswered++;
      beat();
    } else onSilent(`It has said nothing for ${(unansweredHeartbeats * heartbeatMs) / 1_000} s.`);
  }, heartbeatMs);
  unanswered++;
  beat();
  return {
    beat,
    end: () => {
      clearInterval(timer);
      release();
    },
  };
}
