/** Lines of figures that the tests measured; the runner outside prints them. */
export const figures: string[] = [];
