import * as v from 'valibot';
import { openingSchema, type Opening } from '../../protocol/opening.js';
import { HumanError } from '../errors.js';
import { nearest } from '../nearest.js';
import httpKeepalive from './presets/http-keepalive.json';
import irc from './presets/irc.json';
import memcached from './presets/memcached.json';
import mqtt from './presets/mqtt.json';
import mqttWebsocket from './presets/mqtt-websocket.json';
import nats from './presets/nats.json';
import postgres from './presets/postgres.json';
import redis from './presets/redis.json';
import socketIo from './presets/socket.io.json';
import stomp from './presets/stomp.json';
import xmpp from './presets/xmpp.json';

/** Openings that come with C10M, by the names that people write. Each file names the document that its bytes are from. */
const presets: Readonly<Record<string, unknown>> = {
  'http-keepalive': httpKeepalive,
  irc,
  memcached,
  mqtt,
  'mqtt-websocket': mqttWebsocket,
  nats,
  postgres,
  redis,
  'socket.io': socketIo,
  stomp,
  xmpp,
};

export const presetNames: readonly string[] = Object.keys(presets);

/** The opening that is meant: a preset by its name, or the one that is written out. Throws a HumanError (usage) for a name that is none. */
export function openingOf(choice: string | Opening): Opening {
  if (typeof choice !== 'string') return choice;
  if (!Object.hasOwn(presets, choice)) {
    const near = nearest(choice, presetNames);
    throw new HumanError(`"${choice}" is not an opening.`, {
      code: 'usage',
      remedy: near === undefined ? `Openings: ${presetNames.join(', ')}; or name a file with steps of your own.` : `Did you mean "${near}"?`,
    });
  }
  return v.parse(openingSchema, presets[choice]);
}
