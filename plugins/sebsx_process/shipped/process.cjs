'use strict';
/**
 * What the kernel says of this process around one call. Node.js has no `getrusage` of children: their metrics are
 * absent here, not zero.
 */

const fs = require('fs');

// `maxRSS` has the peak of whatever the process was before it was what it is now, such as a launcher that became it by
// exec; up to here it says nothing of the function. Null before the first call.
let inherited = null;
// The peak that was read last, and the page faults until then: it is not read again after fewer than so many more.
let read = { own: null, faults: -Infinity };
const FEW_FAULTS = 32;

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
  samples['process.max_rss_bytes'] = peakKib(after) * 1024;
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

/** Return the peak resident memory of this program alone; the kernel's file is read only where it is needed. */
function peakKib({ maxRSS, minorPageFault, majorPageFault }) {
  if (inherited !== null && maxRSS > inherited) return maxRSS;
  const faults = minorPageFault + majorPageFault;
  if (faults - read.faults >= FEW_FAULTS) read = { own: highWaterKib(), faults };
  if (read.own === null) return maxRSS;
  inherited ??= maxRSS > read.own ? maxRSS : 0;
  return read.own;
}

/** Return `VmHWM` of proc_pid_status(5), which begins again with each program; null where there is none. */
function highWaterKib() {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]);
  } catch {
    return null;
  }
}
