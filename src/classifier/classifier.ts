/** The room's door: speaks to the doorman's server. */
export { openClassifier, type ClassifierOptions } from './openai-classifier.js'
