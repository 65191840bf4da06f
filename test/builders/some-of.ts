/** One, some or all of the workers of a job, by chance; one in half of all cases at least. */
export function someOf(slots: readonly number[]): readonly number[] {
  const many = Math.random() < 0.5 ? 1 : 1 + Math.floor(Math.random() * slots.length);
  const from = Math.floor(Math.random() * slots.length);
  return Array.from({ length: many }, (_, i) => slots[(from + i) % slots.length] as number);
}
