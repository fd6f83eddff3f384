/** What looks personal is masked, whoever hands it over; and what only looks a little like it stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './bundle.mjs';

const { impersonal } = await load('signals/personal');

for (const [what, text] of [
  ['a mail address', 'anna.virtanen+shop@mail.example.org'],
  ['a mail address with foreign letters', 'jörg@bücher.example'],
  ['an encoded mail address', 'anna%40example.org'],
  ['a card', '4111 1111 1111 1111'],
  ['a card in one piece', '5500005555555559'],
  ['a card with hyphens', '3782-822463-10005'],
  ['a phone number', '+358 40 123 4567'],
  ['a phone number at home', '040 123 4567'],
  ['a phone number with brackets', '(555) 123-4567'],
  ['a short phone number', '555-1234'],
  ['a Danish phone number', '12 34 56 78'],
  ['a phone number with dots', '555.123.4567'],
  ['a Finnish id', '131052-308T'],
  ['a Finnish id of this century', '010203A123B'],
  ['an American id', '078-05-1120'],
  ['a Swedish id', '19811218-9876'],
  ['a Danish id', '070761-4285'],
  ['a British id', 'QQ 12 34 56 C'],
  ['a Spanish id', '12345678Z'],
  ['a Spanish id of a foreigner', 'X1234567L'],
  ['an Italian id', 'MRTMTT91D08F205J'],
  ['a Brazilian id', '123.456.789-09'],
  ['a Polish id', '44051401359'],
  ['a JWT', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'],
  ['a UUID', '3f2504e0-4f89-41d3-9a0c-0305e82c3301'],
  ['a hash', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a key', 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'],
]) {
  test(`${what} is masked`, () => {
    assert.equal(impersonal(text), '…');
    assert.equal(impersonal(`see ${text} there`), 'see … there');
  });
}

test('of an account number no more is left than its country and bank', () => {
  assert.equal(impersonal('FI21 1234 5600 0007 85'), 'FI…');
  assert.equal(impersonal('DE89370400440532013000'), 'DE…');
  assert.equal(impersonal('NL91ABNA0417164300'), 'NL91ABNA…');
  assert.equal(impersonal('GB29 NWBK 6016 1331 9268 19'), 'GB29 NWBK …');
});

for (const text of [
  'Checkout step 2',
  'price=129.90',
  '1 299 000',
  '1.299.000',
  '12345',
  'order 4711',
  'SKU-48213',
  '2026-11-22',
  '22.11.2026',
  '11/22/2026',
  '20261122',
  '2026-11-22 10',
  '2024-2026',
  '1732273200',
  '1732273200000',
  '1920x1080',
  '60.16985',
  'logo@2x.png',
  '@anna',
  'iphone-15-pro-max-256gb-blue-titanium',
  'summer-campaign-2026-newsletter',
  'CheckoutPaymentMethodSelectedByUser',
  'EU27 NEWS FROM HOME',
  'on 20 items a day',
  '/files/price list 2026.pdf',
  '/assets/jquery-3.7.1.min.js',
]) {
  test(`${text} is nobody's`, () => assert.equal(impersonal(text), text));
}

test('long texts are cut, and cost no more than they are worth', () => {
  assert.equal(impersonal('x'.repeat(5000)).length, 1000);
  for (const piece of ['a.', '1 ', 'a1', '@', 'a@', '((', 'A1 ', '%40']) {
    assert.ok(impersonal(piece.repeat(5000)).length <= 1000);
  }
});
