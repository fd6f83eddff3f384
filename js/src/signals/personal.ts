/**
 * Masks what looks like it names, reaches or lets in a person: mail addresses, numbers of phones, cards, accounts and ids, and
 * tokens. For texts that a site hands over, and for paths of files. In doubt it masks: a product number of nine digits is gone.
 */
const MASK = '…';
/** Longer texts are cut first, characters: what follows is never sent, and no pattern runs long. */
const MAX_CHARS = 1000;

/** Not `logo@2x.png`. */
const MAIL = /[^\s@/]+(?:@|%40)(?!\dx\.)[^\s@/]+\.[^\s@/]{2,}/g;
/** May be a token: hexadecimal, base 64, a UUID, a JWT; … */
const LONG_RUN = /[\w.-]{20,}/g;
/** … in those, letters, capitals and digits change at least so often; words that hold a number do not. */
const MIN_TURNS = 3;
const TURN = /[a-z](?=[\dA-Z])|[A-Z](?=\d)|\d(?=[A-Za-z])/g;
/** National ids that hold a letter: Finland, in every century; Britain; Spain; Italy. */
const NATIONAL_ID =
  /\b\d{6}[-+A-FU-Y]\d{3}[\dA-Y]\b|\b[A-Z]{2} ?(?:\d\d ?){3}[A-D]\b|\b[\dXYZ]\d{7}-?[A-Z]\b|\b[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]\b/g;
/** Seven digits and more, with what people write between them. */
const DIGITS = /[+(]{0,2}\d(?:[ ()./-]{0,2}\d){6,}/g;
/** Of those, nobody's: seven or eight in one piece, Unix times, dates, spans of years, thousands, decimals. */
const YEAR = '(19|20)\\d\\d';
const KEPT = new RegExp(
  `^(\\d{7,8}|1[5-9]\\d{8}(\\d{3})?|${YEAR}\\D?[01]?\\d\\D?[0-3]?\\d( \\d\\d)?|([0-3]?\\d\\D{1,2}){2}${YEAR}( \\d\\d)?|` +
    `${YEAR}\\D+${YEAR}|[1-9]\\d?([ .]\\d{3}){2}|\\d{1,6}\\.\\d{1,6})$`,
);

/** Returns `text` with `…` in place of all that looks personal. */
export function impersonal(text: string): string {
  return text
    .slice(0, MAX_CHARS)
    .replace(MAIL, MASK)
    .replace(LONG_RUN, (run) => (/\d/.test(run) && (run.match(TURN) ?? []).length >= MIN_TURNS ? MASK : run))
    .replace(NATIONAL_ID, MASK)
    .replace(DIGITS, (run) => (KEPT.test(run) ? run : MASK));
}
