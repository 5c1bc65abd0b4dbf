import type { Variables } from './variables.js'

/** A variable that is set, and where. */
export interface ShownVariable { readonly name: string, readonly text: string, readonly from: string }

/** Those of the catalogue, secrets masked. */
export function showVariables (variables: Variables): ShownVariable[] {
  return variables.list().map(({ name, text, isSecret, place, key }) => {
    const where = place.line === undefined ? place.file : `${place.file}:${place.line}`
    return { name, text: isSecret ? '***' : text, from: key === name ? where : `${where} ${key}` }
  })
}
