/** `npm run test:attacks` runs every row of the long tables; `npm test` those that stand for their kind, so that it stays short. */
const isWhole = process.env.C10M_ALL_CASES === '1';

export interface SelectedCase {
  name: string;
  /** Stands for its kind in `npm test`. */
  isTypical?: boolean;
}

/** The rows to run, with their places in the whole table. `only`: part of a name, of any row. */
export function selectCases<T extends SelectedCase>(cases: readonly T[], only: string | undefined): { each: T; index: number }[] {
  return cases
    .map((each, index) => ({ each, index }))
    .filter(({ each }) => (only === undefined ? isWhole || each.isTypical === true : each.name.includes(only)));
}
