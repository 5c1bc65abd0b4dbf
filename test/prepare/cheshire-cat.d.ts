/** The folder in which the real Cheshire Cat lies, or will. */
export function catPath (): string
/** Whether there is a Python that it can be installed with. */
export function hasPython (): boolean
/** Installs it where it is missing; whether it is there now. */
export function installCat (path: string): boolean
