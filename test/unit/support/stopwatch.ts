/**
 * How long something took, in ms: the wall's time or this process's own, whichever is less. Beside other work on the machine the wall
 * runs on while we wait for a core, and with idle cores the helpers of V8 count twice.
 */
export function startStopwatch(): () => number {
  const begin = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return Math.min(performance.now() - begin, (user + system) / 1_000);
  };
}
