'use strict';
/** Sleep for a given time. */

/** Sleep `duration_s` seconds and return how long that took by the monotonic clock. */
exports.handler = async (event, context) => {
  const started = performance.now();
  await context.phase('sleep', () => sleepUntil(started + event.duration_s * 1000));
  return { slept_s: (performance.now() - started) / 1000 };
};

/** Timers count whole milliseconds and may fire a little early; what is missing is slept too. */
async function sleepUntil(end) {
  for (let left = end - performance.now(); left > 0; left = end - performance.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.ceil(left)));
  }
}
