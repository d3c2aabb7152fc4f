# Completions of `cargo xtask` for PowerShell. They ask the program that cargo has compiled in the checkout, and compile nothing.

Register-ArgumentCompleter -Native -CommandName cargo -ScriptBlock {
    param($word, $line, $position)
    $words = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -le $position } | ForEach-Object { $_.ToString() })
    if ($words.Count -lt 2 -or $words[1] -ne 'xtask') { return }
    if ($word -eq '') { $words += '' }
    $suffix = if ($env:OS -eq 'Windows_NT') { '.exe' } else { '' }
    $folder = (Get-Location).ProviderPath
    while ($folder) {
        $target = if ($env:CARGO_TARGET_DIR) { $env:CARGO_TARGET_DIR } else { Join-Path $folder 'target' }
        $program = Join-Path $target "debug/xtask$suffix"
        if ((Test-Path (Join-Path $folder 'Cargo.toml')) -and (Test-Path $program)) {
            $rest = @($words | Select-Object -Skip 2)
            & $program complete -- @rest 2>$null | ForEach-Object {
                $value, $help = $_ -split "`t", 2
                if (-not $help) { $help = $value }
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
            }
            return
        }
        $folder = Split-Path $folder -Parent
    }
}
