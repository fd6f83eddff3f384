/** Names that stay: which ids a program made, what a label may show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './bundle.mjs';

const { isGenerated } = await load('element');
const { masked } = await load('text');

for (const id of [
  ':r3:',
  '_r_1f_',
  'ember123',
  'ember12',
  'radix-:r1:',
  'radix-12',
  'headlessui-menu-button-4',
  'mui-7',
  'post-48213',
  '17',
  'css-1x2y3z',
  'a8f3c2d1',
  '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
  'react-select-2-a1b2',
]) {
  test(`the id ${id.slice(0, 40)} was made by a program`, () => assert.ok(isGenerated(id)));
}

for (const id of [
  'buy',
  'main-nav',
  'step-2',
  'section_1',
  'h1',
  'id12',
  'Über-uns',
  'faq2',
  'radix',
  'emberley',
  'base64',
  'with space',
]) {
  test(`the id ${id} was chosen by a person`, () => assert.ok(!isGenerated(id)));
}

test('labels show neither mail addresses nor long numbers, and are cut', () => {
  assert.equal(masked(' Write\n to anna@example.org ', 80), 'Write to …');
  assert.equal(masked('Card 4111 1111 1111 1111', 80), 'Card …');
  assert.equal(masked('Call 040-123 45 67 now', 80), 'Call … now');
  assert.equal(masked('Top 10 of 2026', 80), 'Top 10 of 2026');
  assert.equal(masked('abcdef', 3), 'abc');
});
