/** The arithmetic of shifts and interactions; what the browser tells of them is tested in a browser, beside the library. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './bundle.mjs';

const shifts = await load('signals/shifts');
const interactions = await load('signals/interactions');
const shift = (startTime, value, hadRecentInput = false) => shifts.takeShift({ startTime, value, hadRecentInput });
const worst = () => Math.round(shifts.worstShift * 100);

test('shifts add up within a window that a pause of a second ends', () => {
  shifts.resetShifts();
  for (const [at, value] of [
    [0, 0.1],
    [999, 0.1],
    [1999, 0.15],
  ]) {
    shift(at, value);
  }
  assert.equal(worst(), 20);
});

test('a window ends after five seconds, and the worst one counts', () => {
  shifts.resetShifts();
  for (let at = 100; at <= 7000; at += 900) shift(at, 0.1);
  assert.equal(worst(), 60);
});

test('what the visitor caused is no shift, and another view has none', () => {
  shifts.resetShifts();
  shift(0, 0.5, true);
  assert.equal(worst(), 0);
  shift(1, 0.3);
  shifts.resetShifts();
  assert.equal(worst(), 0);
});

test('the slowest event of the slowest interaction counts', () => {
  const events = [
    [7, 40],
    [7, 120],
    [14, 80],
    [undefined, 900],
    [0, 900],
  ];
  for (const [interactionId, duration] of events) interactions.takeInteraction({ interactionId, duration });
  assert.equal(interactions.worstInteraction(), 120);
  interactions.resetInteractions();
  assert.equal(interactions.worstInteraction(), undefined);
});
