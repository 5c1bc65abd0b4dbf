/**
 * Accents: marks that stand on letters of any script, and those of Cyrillic, Arabic and Hebrew. Marks of Indic scripts
 * are vowels and stay, as do those that make another sound of a kana.
 */
const ACCENTS = /(?![\u3099\u309A\p{Default_Ignorable_Code_Point}])\p{Mn}(?<=[\p{Script=Inherited}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Hebrew}])/gu

/** One character in lower case and without accents: `É` is `e`, `ß` is `ss`. May be empty. */
export function foldCharacter (character: string): string {
  // By way of upper case, as Unicode's case folding does it: ß, final sigma.
  const lower = character.toUpperCase().toLowerCase()
  return lower.normalize('NFD').replace(ACCENTS, '').normalize('NFC')
}
