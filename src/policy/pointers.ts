import { parsePointer } from '../json-pointer.js'
import type { DocumentPath, Report } from './compile.js'

/** The parts of a JSON pointer; reports what is none. */
export function pointerOf (pointer: string, path: DocumentPath, report: Report): readonly string[] {
  const parts = parsePointer(pointer)
  if (parts === undefined) report(path, JSON.stringify(pointer), 'a JSON pointer: /NAME/NAME, with ~0 for ~ and ~1 for / in a name')
  return parts ?? []
}
