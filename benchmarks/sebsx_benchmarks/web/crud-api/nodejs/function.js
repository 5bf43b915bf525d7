'use strict';
/** A shopping cart on a key-value table. */

const crypto = require('crypto');

/**
 * Fill, read, change, list and empty a cart of this invocation's own; return what was read.
 *
 * Numbers are turned into numbers where they come back: some tables return decimals.
 */
exports.handler = async (event, context) => {
  const { table } = context;
  const cart = `cart-${context.requestId}`;
  await context.phase('create', async () => {
    for (const item of event.items) await table.put(cart, item.sku, item);
  });
  const lookedUp = await context.phase('read', () => table.get(cart, event.lookup));
  await context.phase('update', async () => {
    for (const [sku, quantity] of Object.entries(event.updates)) {
      await table.put(cart, sku, { ...(await table.get(cart, sku)), quantity });
    }
  });
  await context.phase('delete', async () => {
    for (const sku of event.removals) await table.delete(cart, sku);
  });
  const items = await context.phase('query', () => table.query(cart));
  const lines = items.map((item) => `${item.sku} ${Number(item.quantity)} ${Number(item.price_cents)}\n`);
  const left = await context.phase('clear', async () => {
    for (const item of items) await table.delete(cart, item.sku);
    return (await table.query(cart)).length;
  });
  return {
    looked_up_cents: Number(lookedUp.price_cents),
    items: items.length,
    pieces: items.reduce((sum, item) => sum + Number(item.quantity), 0),
    total_cents: items.reduce((sum, item) => sum + Number(item.quantity) * Number(item.price_cents), 0),
    cart_sha256: crypto.createHash('sha256').update(lines.join('')).digest('hex'),
    left,
  };
};
