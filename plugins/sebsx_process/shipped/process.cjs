'use strict';
/**
 * What the kernel says of this process around one call. Node.js has no `getrusage` of children: their metrics are
 * absent here, not zero.
 */

/** Return the counters before the call, read last, and what reading them took. */
exports.begin = () => {
  const started = performance.now();
  const usage = process.resourceUsage();
  return [usage, performance.now() - started];
};

/**
 * Return the differences, the peak memory so far and what reading took; times come in us, memory in KiB. Calls that
 * share the process share its counters: only the peak, which is the sandbox's anyway, is left then.
 */
exports.end = ([before, spentMs], call) => {
  const started = performance.now();
  const after = process.resourceUsage();
  const samples = call.concurrent ? {} : differences(before, after);
  samples['process.max_rss_bytes'] = after.maxRSS * 1024;
  samples['process.overhead_s'] = (spentMs + performance.now() - started) / 1e3;
  return samples;
};

function differences(before, after) {
  return {
    'process.cpu_user_s': (after.userCPUTime - before.userCPUTime) / 1e6,
    'process.cpu_system_s': (after.systemCPUTime - before.systemCPUTime) / 1e6,
    'process.minor_faults_count': after.minorPageFault - before.minorPageFault,
    'process.major_faults_count': after.majorPageFault - before.majorPageFault,
    'process.voluntary_switches_count': after.voluntaryContextSwitches - before.voluntaryContextSwitches,
    'process.involuntary_switches_count': after.involuntaryContextSwitches - before.involuntaryContextSwitches,
  };
}
