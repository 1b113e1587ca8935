const general = `c10m – how many connections can a Linux host hold, what does each cost, and what stops the next one?

  c10m run [PROFILE]     open connections, hold them, account for every byte, put the host back
  c10m check             the plan, the walls and the largest run that fits; changes nothing
  c10m host              list, show, test and restore hosts
  c10m runs              list, show, compare, export and import saved runs
  c10m help COMMAND      all options

Exit codes: 0 done, 98 target not reached, 99 a threshold failed, 64 bad usage, 69 host unreachable,
            77 access refused, 75 host not fully restored, 130 interrupted (restored first).
`;

const spec = `  --host NAME             local (default), an alias of ~/.ssh/config, or user@name:port
  --client-host NAME      run the clients there instead; may be given several times
  -c, --connections N     5000, 50k, 1M, or max: ramp until the first wall
  --protocol P            tcp (default), websocket, both
  --engine E              epoll (default, the floor), node, command
  --command "…"           your server, started with C10M_ADDRESS, C10M_PORTS and C10M_PROTOCOL
  --directory DIR         where your server starts; default: the current directory, on other hosts the home
  --ports N               listening ports; default: as many as needed
  --first-port N          default 8001 for TCP, 8501 for WebSocket
  --rate N                connections per second; default: as fast as possible
  --hold D                how long all are held, as 30s or 5m (default 10s)
  --stage TO@RATE:HOLD    a stage of the ramp; may be given several times
  --traffic BYTES/EVERY   such as 64/10s: each connection sends and is echoed
  --websocket-path P      default /ws
  --isolation I           netns (default: a network namespace of the run's own), host
  --tuning T              apply (default), none
  --worker-nofile N       open files of a worker at most
  --threshold EXPR        such as "bytesPerEnd<5000"; may be given several times
  --abort-on-threshold D  end the run when a threshold fails, after D of grace
  --lease D               the host ends the run by itself when nobody is there for so long (default 120s)
  --wait                  wait while another run uses the host
  --name TEXT             a name for the saved run
`;

const reach = `  --accept-new            accept and remember the key of a host that is not known yet
  --sudo auto|never|required
  --provision-node ask|always|never   bring Node to a host that has none
  --runs DIR              where runs are saved
  -v, --verbose           print the log
`;

const texts: Record<string, string> = {
  run: `c10m run [PROFILE.c10m.json] [options]

${spec}${reach}  --json                  print the events, one JSON object a line, and nothing else
  --junit FILE            write the thresholds as a JUnit file
  --metrics-file FILE     rewrite FILE in OpenMetrics text once a second
  --plain                 lines instead of a screen that is redrawn, as in a pipe
  --orders                read orders from standard input, one a line, each after the one before

While it runs in a terminal: q stop, + and - add or remove a tenth, b burst, x remove all, : any order.
Orders: target N, add N, remove N, rate N|max, burst [MESSAGES [BYTES]], remove-all, stop, wait D|ramping|holding.
`,
  check: `c10m check [PROFILE.c10m.json] [options]

${spec}${reach}  --json                  print facts and plan as one JSON object
`,
  host: `c10m host list                 saved hosts and the names of ~/.ssh/config
c10m host add NAME ADDRESS     save user@name:port under a name
c10m host remove NAME          forget a saved host
c10m host show NAME [--json]   what a name resolves to
c10m host test NAME            connect, probe, and the largest run that fits
c10m host restore NAME [--dry-run] [--json]   put back what a dead run left behind

${reach}`,
  runs: `c10m runs list [--json]
c10m runs show ID [--json]
c10m runs compare ID ID… [--json]
c10m runs export ID [--format directory|html|md|csv|json] --output PATH
c10m runs import DIRECTORY
c10m runs remove ID

ID is an id, its unique beginning or end, or "last".
  --runs DIR              where runs are saved
`,
};

export function helpText(command: string | undefined): string {
  return command !== undefined && Object.hasOwn(texts, command) ? texts[command]! : general;
}
