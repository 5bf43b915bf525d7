'use strict';
/**
 * How long the threads of this process had a processor, and how long they waited while others had it (Linux).
 *
 * All of this is part of every warm call: the file of each thread stays open as long as the threads are the same.
 */

const { closeSync, fstatSync, openSync, readdirSync, readSync } = require('fs');

const TASKS = '/proc/self/task';
const ENDED = new Set(['ENOENT', 'ESRCH']);
const text = Buffer.alloc(100);

let tasks = null; // TASKS, opened; it has a link for each thread
let threads = 0; // links that it had when the files were opened
let files = []; // of the threads, opened

/** Return processor time and run-queue delay of all threads so far in s; null where the kernel does not say. */
function read() {
  try {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) * 1e-6, delayS: delayNs() * 1e-9 };
  } catch {
    return null; // it measures, and must harm nobody
  }
}

/**
 * Return what came since a reading as samples; nothing where either is missing.
 *
 * A thread that ended meanwhile took its delay along: then the sum may be too small, never too large.
 */
function between(before) {
  const after = read();
  if (before === null || after === null) return {};
  return {
    'function.cpu_s': after.cpuS - before.cpuS,
    'function.runqueue_s': Math.max(0, after.delayS - before.delayS),
  };
}

function delayNs() {
  try {
    if (tasks !== null) {
      const { ino, nlink } = fstatSync(tasks.number);
      if (ino === tasks.ino && nlink === threads) return sum();
    }
  } catch {
    // one ended and another began, or the function closed a file or has its number
  }
  openAll();
  return sum();
}

function openAll() {
  closeAll();
  try {
    tasks = opened(TASKS);
    threads = fstatSync(tasks.number).nlink;
    for (const thread of readdirSync(TASKS)) {
      try {
        files.push(opened(`${TASKS}/${thread}/schedstat`));
      } catch (error) {
        if (!ENDED.has(error.code)) throw error; // else it ended just now
      }
    }
  } catch (error) {
    closeAll(); // the function may need the last numbers that are left
    throw error;
  }
}

function closeAll() {
  for (const file of files.concat(tasks ?? [])) if (isOurs(file)) closeSync(file.number);
  [files, tasks] = [[], null];
}

function sum() {
  let totalNs = 0;
  for (const { number } of files) {
    const count = readSync(number, text, 0, text.length, 0);
    totalNs += Number(text.latin1Slice(0, count).split(' ')[1]);
  }
  if (Number.isNaN(totalNs)) throw new TypeError('schedstat has another form');
  return totalNs;
}

function opened(path) {
  const number = openSync(path);
  return { number, ino: fstatSync(number).ino };
}

/** Tell whether a number is still what was opened: the function may have closed it, and opened something else. */
function isOurs({ number, ino }) {
  try {
    return fstatSync(number).ino === ino;
  } catch {
    return false;
  }
}

module.exports = { between, read };
