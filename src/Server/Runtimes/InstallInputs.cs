using System.Security.Cryptography;
using System.Text;

namespace McpCan.Server.Runtimes;

/// <summary>
/// The files of a package that alone decide what is installed, unpacked by themselves: the install sees nothing else of the package,
/// so that its result is good for every version that has the same ones.
/// </summary>
internal sealed class InstallInputs : IDisposable
{
    private readonly string _folder;

    private InstallInputs(string folder, string hash) => (_folder, Hash) = (folder, hash);

    /// <summary>Hash over the files.</summary>
    public string Hash { get; }

    /// <summary>
    /// Unpacks the files into <paramref name="folder"/>, which is removed with this unless it was moved. Null when one of them names a file:
    /// that may be anywhere in the package.
    /// </summary>
    public static InstallInputs? Take(WorkloadSpec spec, IReadOnlyList<string> names, string folder, CancellationToken cancellationToken)
    {
        var whole = folder + ".whole";
        try
        {
            Installer.Unpack(spec.Package!, whole, cancellationToken);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var (from, to) = (Path.Combine(whole, spec.WorkingDirectory ?? ""), Path.Combine(folder, spec.WorkingDirectory ?? ""));
            Directory.CreateDirectory(to);
            foreach (var name in names.Order(StringComparer.Ordinal))
            {
                var content = File.ReadAllBytes(Path.Combine(from, name));
                if (content.AsSpan().IndexOf("file:"u8) >= 0)
                {
                    WorkloadFolder.Delete(folder);
                    return null;
                }
                Add(hash, name, content);
                File.WriteAllBytes(Path.Combine(to, name), content);
            }
            return new(folder, Convert.ToHexStringLower(hash.GetHashAndReset()));
        }
        catch
        {
            WorkloadFolder.Delete(folder);
            throw;
        }
        finally
        {
            WorkloadFolder.Delete(whole);
        }
    }

    public void MoveTo(string target) => Directory.Move(_folder, target);

    public void Dispose() => WorkloadFolder.Delete(_folder);

    private static void Add(IncrementalHash hash, string name, byte[] content)
    {
        hash.AppendData(Encoding.UTF8.GetBytes($"{name}\n{content.Length}\n"));
        hash.AppendData(content);
    }
}
