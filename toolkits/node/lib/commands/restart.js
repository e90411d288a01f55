import { turn } from '../turn.js';

export default turn('restart', 'Restart a server', 'runs');
