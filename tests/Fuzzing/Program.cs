using McpCan.Fuzzing;
using SharpFuzz;

// Started by script/fuzz under afl-fuzz; with files as arguments it replays them.
if (args.Length == 0 || !FuzzTargets.All.TryGetValue(args[0], out var target))
{
    Console.Error.WriteLine($"usage: fuzz {string.Join('|', FuzzTargets.All.Keys)} [FILE…]");
    return 2;
}
if (args.Length > 1)
{
    foreach (var file in args[1..]) target(File.ReadAllBytes(file));
    return 0;
}
Fuzzer.OutOfProcess.Run(stream =>
{
    using var bytes = new MemoryStream();
    stream.CopyTo(bytes);
    target(bytes.ToArray());
});
return 0;
