/**
 * Zero-width, bidi and other format characters, soft hyphens, variation selectors, tags, fillers, controls that are no
 * white space. Whoever reads the text does not see them, whoever compares it does.
 */
const INVISIBLE = /^(?:[\p{Cf}\p{Variation_Selector}\p{Default_Ignorable_Code_Point}]|(?!\s)\p{Cc}|\u2800)$/u

export function isInvisible (character: string): boolean {
  return INVISIBLE.test(character)
}
