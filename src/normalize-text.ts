/** As many marks on one letter as Unicode's stream-safe text has (UAX #15 §13); more are noise, or an attack. */
const MARKS_BEYOND = /(\p{M}{30})\p{M}+/gu

/**
 * A normal form of Unicode. Marks on one letter are put in order in time that grows with the square of their number;
 * those beyond the thirtieth are left out, so that it is linear in the text.
 */
export function normalizeText (text: string, form: 'NFC' | 'NFKC'): string {
  return text.replace(MARKS_BEYOND, '$1').normalize(form)
}
