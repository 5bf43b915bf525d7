'use strict';
/** Does what `event.do` asks: echo, raise, sleep, storage or table. */

class ValueError extends Error {}

const ACTIONS = {
  echo: (event, context) => context.phase('echo', () => event.value ?? null),

  raise: (event) => {
    throw new ValueError(event.value ?? 'as asked');
  },

  sleep: async (event) => {
    const started = performance.now();
    await new Promise((resolve) => setTimeout(resolve, event.value * 1000));
    return (performance.now() - started) / 1000;
  },

  /** Upload the object `from`, backwards, as `to`. */
  storage: async (event, context) => {
    const data = await context.storage.download(event.from);
    await context.storage.upload(event.to, Buffer.from(data).reverse());
    return data.length;
  },

  /** Put, query, get and delete in one partition. */
  table: async ({ value: partition }, { table }) => {
    for (const sort of ['b', 'a', 'c']) await table.put(partition, sort, { sort, number: 1 });
    await table.put(partition, 'a', { sort: 'a', number: 2 });
    const found = (await table.query(partition)).map(({ sort, number }) => [sort, number]);
    await table.delete(partition, 'c');
    return {
      found,
      a: (await table.get(partition, 'a')).number,
      c: await table.get(partition, 'c'),
      elsewhere: await table.query(`${partition}-other`),
    };
  },
};

/** Return what the chosen action gives, as `{"result": ...}`. */
exports.handler = async (event, context) => ({ result: await ACTIONS[event.do ?? 'echo'](event, context) });
