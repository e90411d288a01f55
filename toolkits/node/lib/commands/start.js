import { turn } from '../turn.js';

export default turn('start', 'Start a server', 'runs');
