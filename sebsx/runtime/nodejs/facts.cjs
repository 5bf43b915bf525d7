'use strict';
/** Facts about the machine under a sandbox: read once, after the first call was timed. */

const fs = require('fs');
const os = require('os');

const CPU = {
  cpu_model: /^(?:model name|CPU part)\s*:\s*(.*)$/m,
  cpu_mhz: /^cpu MHz\s*:\s*(.*)$/m,
  cpu_cache: /^cache size\s*:\s*(.*)$/m,
};

/** Return what is cheap to know; what the system does not say is left out. */
function facts() {
  const cpus = read('/proc/cpuinfo');
  const found = {
    nodejs: process.versions.node,
    implementation: `v8 ${process.versions.v8}`,
    os: os.type(),
    kernel: os.release(),
    machine: os.machine ? os.machine() : process.arch,
    cpu_count: (cpus.match(/^processor\s*:/gm) || os.cpus()).length,
    pid: process.pid,
  };
  if (os.availableParallelism) found.cpu_usable = os.availableParallelism();
  const bootId = read('/proc/sys/kernel/random/boot_id').trim();
  if (bootId) found.boot_id = bootId;
  for (const [name, line] of Object.entries(CPU)) {
    const match = line.exec(cpus);
    if (match) found[name] = match[1];
  }
  return found;
}

function read(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

module.exports = { facts };
