/** Divides a target: up to the planned sum in the planned proportion, and what is above it over the room that is left. */
export function divideTarget(total: number, workers: readonly { planned: number; capacity: number }[]): number[] {
  const planned = workers.map((worker) => worker.planned);
  const sum = planned.reduce((a, b) => a + b, 0);
  const base = divide(Math.min(total, sum), planned);
  const extra = divide(
    Math.max(0, total - sum),
    workers.map((worker) => Math.max(0, worker.capacity - worker.planned)),
  );
  return base.map((share, index) => share + extra[index]!);
}

/** Divides a whole number in proportion to the capacities, without a rest and without passing a capacity while others have room. */
export function divide(total: number, capacities: readonly number[]): number[] {
  const sum = capacities.reduce((a, b) => a + b, 0);
  if (sum === 0) return capacities.map(() => 0);
  const shares = capacities.map((capacity) => Math.floor((total * capacity) / sum));
  let rest = total - shares.reduce((a, b) => a + b, 0);
  for (let index = 0; rest > 0; index = (index + 1) % shares.length) {
    if (shares[index]! < capacities[index]! || total >= sum) {
      shares[index]!++;
      rest--;
    }
  }
  return shares;
}
