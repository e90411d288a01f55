// Numbers, + - * / % ^, brackets and a few functions. An expression is read, never evaluated as code.
const functions = { sqrt: Math.sqrt, abs: Math.abs, round: Math.round, floor: Math.floor, ceil: Math.ceil, ln: Math.log, log: Math.log10, sin: Math.sin, cos: Math.cos, tan: Math.tan }
const constants = { pi: Math.PI, e: Math.E }

export function calculate(expression) {
  const tokens = expression.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[a-z]+|[-+*/%^()]|\S/gi) ?? []
  if (tokens.length > 1000) throw new Error('The expression is too long.')
  let at = 0
  const take = token => tokens[at] === token && ++at > 0
  const value = sum()
  if (at < tokens.length) throw new Error(`'${tokens[at]}' was not expected.`)
  if (!Number.isFinite(value)) throw new Error('The result is not a finite number.')
  return value

  function sum() {
    let left = product()
    for (;;) {
      if (take('+')) left += product()
      else if (take('-')) left -= product()
      else return left
    }
  }

  function product() {
    let left = signed()
    for (;;) {
      if (take('*')) left *= signed()
      else if (take('/')) left /= signed()
      else if (take('%')) left %= signed()
      else return left
    }
  }

  function signed() {
    if (take('-')) return -signed()
    if (take('+')) return signed()
    const base = atom()
    return take('^') ? base ** signed() : base
  }

  function atom() {
    const token = tokens[at++]
    if (token === undefined) throw new Error('The expression ends too early.')
    if (token === '(') return closed(sum())
    if (/^[\d.]/.test(token)) return Number(token)
    const name = token.toLowerCase()
    if (Object.hasOwn(constants, name)) return constants[name]
    if (Object.hasOwn(functions, name) && take('(')) return functions[name](closed(sum()))
    throw new Error(`'${token}' is not known.`)
  }

  function closed(inner) {
    if (!take(')')) throw new Error("A ')' is missing.")
    return inner
  }
}
