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

/** Return the differences, the peak memory so far and what reading took; times come in us, memory in KiB. */
exports.end = ([before, spentMs]) => {
  const started = performance.now();
  const after = process.resourceUsage();
  return {
    'process.cpu_user_s': (after.userCPUTime - before.userCPUTime) / 1e6,
    'process.cpu_system_s': (after.systemCPUTime - before.systemCPUTime) / 1e6,
    'process.minor_faults_count': after.minorPageFault - before.minorPageFault,
    'process.major_faults_count': after.majorPageFault - before.majorPageFault,
    'process.voluntary_switches_count': after.voluntaryContextSwitches - before.voluntaryContextSwitches,
    'process.involuntary_switches_count': after.involuntaryContextSwitches - before.involuntaryContextSwitches,
    'process.max_rss_bytes': after.maxRSS * 1024,
    'process.overhead_s': (spentMs + performance.now() - started) / 1e3,
  };
};
