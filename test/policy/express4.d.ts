declare module 'express4' {
  // The routing half, all that we use of it, has the types of Express 5.
  export { default } from 'express'
}
