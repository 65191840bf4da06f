const LATER_DAYS = 3;

/**
 * A weekly schedule whose window, however long and in whatever time zone, is neither open now nor soon: what a test says of a closed
 * window must not depend on when it runs.
 */
export const farSchedule = (): string => `0 2 * * ${(new Date().getUTCDay() + LATER_DAYS) % 7}`;
