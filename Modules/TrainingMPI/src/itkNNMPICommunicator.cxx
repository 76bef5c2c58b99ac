/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNMPICommunicator.h"

#include "itkNNError.h"

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

#include <cstdlib>
#include <exception>
#include <functional>

namespace itk
{
namespace nn
{
struct MPICommunicator::Implementation
{
  // Exceptions are the caller's: they should be told before the process ends.
  boost::mpi::environment environment{ boost::mpi::threading::funneled, false };
  boost::mpi::communicator world;
  int localRank = 0;
};

namespace
{
template <typename TFunction>
auto
Call(TFunction && f)
{
  try
  {
    return f();
  }
  catch (const boost::mpi::exception & error)
  {
    itkNNThrowMacro("MPI: " << error.what() << "; a process of the training may be lost");
  }
}
} // namespace

MPICommunicator::MPICommunicator()
  : m_Implementation(Call([] { return std::make_unique<Implementation>(); }))
{
  // Errors come as codes, which Boost makes exceptions of.
  MPI_Comm_set_errhandler(m_Implementation->world, MPI_ERRORS_RETURN);
  Call(
    [this]
    {
      MPI_Comm local = MPI_COMM_NULL;
      BOOST_MPI_CHECK_RESULT(MPI_Comm_split_type,
                             (m_Implementation->world, MPI_COMM_TYPE_SHARED, this->GetRank(), MPI_INFO_NULL, &local));
      BOOST_MPI_CHECK_RESULT(MPI_Comm_rank, (local, &m_Implementation->localRank));
      BOOST_MPI_CHECK_RESULT(MPI_Comm_free, (&local));
    });
}

MPICommunicator::~MPICommunicator()
{
  if (std::uncaught_exceptions() > 0)
  {
    // Finalising would wait for the others, which may wait for this one.
    static_cast<void>(m_Implementation.release());
  }
}

int
MPICommunicator::GetRank() const
{
  return m_Implementation->world.rank();
}

int
MPICommunicator::GetSize() const
{
  return m_Implementation->world.size();
}

int
MPICommunicator::GetLocalRank() const
{
  return m_Implementation->localRank;
}

void
MPICommunicator::Sum(std::vector<float> & values) const
{
  const auto count = static_cast<int>(values.size());
  Call(
    [&]
    {
      std::vector<float> sums(values.size());
      if (this->GetRank() == 0)
      {
        boost::mpi::reduce(m_Implementation->world, values.data(), count, sums.data(), std::plus<float>(), 0);
      }
      else
      {
        boost::mpi::reduce(m_Implementation->world, values.data(), count, std::plus<float>(), 0);
      }
      boost::mpi::broadcast(m_Implementation->world, sums.data(), count, 0);
      values = std::move(sums);
    });
}

bool
MPICommunicator::IsLaunched()
{
  for (const char * name : { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS" })
  {
    if (std::getenv(name) != nullptr)
    {
      return true;
    }
  }
  return false;
}
} // namespace nn
} // namespace itk
