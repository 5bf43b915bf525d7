'use strict';
/**
 * What the kernel says of this process around one call. Node.js has no `getrusage` of children: their metrics are
 * absent here, not zero.
 */

/** Return the counters before the call. */
exports.begin = () => process.resourceUsage();

/** Return the differences, and the peak memory so far; times come in microseconds and memory in KiB. */
exports.end = (before) => {
  const after = process.resourceUsage();
  return {
    'process.cpu_user_s': (after.userCPUTime - before.userCPUTime) / 1e6,
    'process.cpu_system_s': (after.systemCPUTime - before.systemCPUTime) / 1e6,
    'process.minor_faults_count': after.minorPageFault - before.minorPageFault,
    'process.major_faults_count': after.majorPageFault - before.majorPageFault,
    'process.voluntary_switches_count': after.voluntaryContextSwitches - before.voluntaryContextSwitches,
    'process.involuntary_switches_count': after.involuntaryContextSwitches - before.involuntaryContextSwitches,
    'process.max_rss_bytes': after.maxRSS * 1024,
  };
};
